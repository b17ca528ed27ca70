/// What workers count of MQTT: packets by type, publishes by QoS and result, and why clients were refused or ended.
/// Numbers are those of the protocol.
extension WorkerMeters {
    /// - Parameter packetIn: the packet's type, 1 to 15.
    @inline(__always) public func count(packetIn type: UInt8) { count(mqtt: MQTTSeries.received + Int(type & 15)) }
    @inline(__always) public func count(packetOut type: UInt8) { count(mqtt: MQTTSeries.sent + Int(type & 15)) }

    /// A message of a client's was done, or was not.
    @inline(__always) public func count(publish qos: UInt8, isDone: Bool) {
        count(mqtt: MQTTSeries.publishes + Int(qos & 3) * 2 + (isDone ? 1 : 0))
    }

    /// A CONNECT was refused with this reason code.
    public func count(connectRefused reason: UInt8) { count(mqtt: MQTTSeries.refused + Int(reason & 63)) }
    /// The gateway ended a connection with this reason code.
    public func count(disconnect reason: UInt8) { count(mqtt: MQTTSeries.ended + Int(reason & 63)) }
}

/// What all workers have counted of MQTT so far.
public struct MQTTCounts: Sendable {
    /// Packets of all types.
    public var packetsIn: UInt64 = 0
    public var packetsOut: UInt64 = 0
    /// PUBLISH packets.
    public var publishesIn: UInt64 = 0
    public var publishesOut: UInt64 = 0
    /// Messages to clients that were not sent.
    public var undelivered: UInt64 = 0
}

extension Meters {
    public var mqtt: MQTTCounts {
        var counts = MQTTCounts()
        for board in allBoards() {
            for type in 1..<16 {
                counts.packetsIn += board.mqtt[MQTTSeries.received + type].read()
                counts.packetsOut += board.mqtt[MQTTSeries.sent + type].read()
            }
            counts.publishesIn += board.mqtt[MQTTSeries.received + 3].read()
            counts.publishesOut += board.mqtt[MQTTSeries.sent + 3].read()
            for counter in [WorkerCounter.mqttTooLarge, .mqttExpired, .mqttDropped] {
                counts.undelivered += board.counters[counter.rawValue].read()
            }
        }
        return counts
    }
}

/// The places of those counters, and the families they become.
enum MQTTSeries {
    static let received = 0
    static let sent = 16
    static let publishes = 32
    static let refused = 64
    static let ended = 128

    private static let packets = [
        "", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback", "unsubscribe",
        "unsuback", "pingreq", "pingresp", "disconnect", "auth",
    ]

    static func families(_ boards: [WorkerBoard]) -> [Family] {
        func total(_ place: Int) -> UInt64 { boards.reduce(0) { $0 + $1.mqtt[place].read() } }
        func total(_ counter: WorkerCounter) -> UInt64 { boards.reduce(0) { $0 + $1.counters[counter.rawValue].read() } }
        let gone = total(.mqttClosed)
        let opened = total(.mqttOpened)
        // One that speaks no MQTT has nothing to say of it.
        guard opened > 0 else { return [] }
        var packets: [Sample] = []
        for (first, direction) in [(received, "in"), (sent, "out")] {
            for (type, name) in Self.packets.enumerated() where total(first + type) > 0 {
                packets.append(Sample(.integer(total(first + type)), labels: [("direction", direction), ("type", name)]))
            }
        }
        var publishes: [Sample] = []
        for qos in 0..<3 {
            for (place, result) in ["refused", "done"].enumerated() {
                let count = total(Self.publishes + qos * 2 + place)
                if count > 0 { publishes.append(Sample(.integer(count), labels: [("qos", "\(qos)"), ("result", result)])) }
            }
        }
        func byReason(_ first: Int) -> [Sample] {
            (0..<64).compactMap { code in
                let count = total(first + code)
                return count > 0 ? Sample(.integer(count), labels: [("reason", "0x" + String(code + 0x80, radix: 16))]) : nil
            }
        }
        return [
            Family("nexus_mqtt_connections", .gauge, "MQTT connections open now.", .integer(max(opened, gone) - gone)),
            Family("nexus_mqtt_packets", .counter, "Packets of MQTT, by type.", samples: packets),
            Family("nexus_mqtt_publishes", .counter, "Messages of clients, by QoS and result.", samples: publishes),
            Family("nexus_mqtt_connects_refused", .counter, "CONNECT packets refused, by MQTT's reason code.", samples: byReason(refused)),
            Family("nexus_mqtt_disconnects", .counter, "Connections that the gateway ended, by MQTT's reason code.", samples: byReason(ended)),
            Family(
                "nexus_mqtt_undelivered", .counter, "Messages to clients that were not sent.",
                samples: [
                    Sample(.integer(total(.mqttTooLarge)), labels: [("reason", "too-large")]),
                    Sample(.integer(total(.mqttExpired)), labels: [("reason", "expired")]),
                    Sample(.integer(total(.mqttDropped)), labels: [("reason", "slow")]),
                ]),
            Family(
                "nexus_mqtt_topic_bytes_saved", .counter, "Bytes of topics that aliases stood for on their way to clients.",
                .integer(total(.mqttTopicBytesSaved))),
        ]
    }
}

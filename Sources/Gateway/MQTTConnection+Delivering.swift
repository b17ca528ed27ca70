import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// What goes to the client: messages of the broker, and all that is written, once a turn.
extension MQTTConnection {
    // MARK: - Messages

    func deliver(_ deliveries: [Delivery]) {
        guard phase == .open else { return }
        let nowMS = UInt64(max(0, WallClock.nowNS())) / 1_000_000
        for delivery in deliveries { deliver(delivery, nowMS) }
        flushSoon()
    }

    private func deliver(_ delivery: Delivery, _ nowMS: UInt64) {
        let message = delivery.message
        var left: UInt32?
        if message.expiresMS != .max {
            guard message.expiresMS > nowMS else { return skip(delivery, .mqttExpired) }
            left = UInt32(clamping: (message.expiresMS - nowMS + 999) / 1000)
        }
        // Who takes nothing for now has told the broker so; what still comes with QoS 0 has no place to wait.
        if delivery.qos == .atMostOnce, output.count > 4 * Self.highWater { return skip(delivery, .mqttDropped) }
        var publish = OutgoingPublish(
            topic: message.topic, payload: message.payload, qos: delivery.qos, dup: delivery.dup, retain: delivery.retain,
            packetID: delivery.packetID, properties: message.properties, messageExpiry: left,
            subscriptionIdentifiers: delivery.identifiers)
        let isNamed = name(&publish)
        if !fits(publish) {
            // Beside its topic an alias may be what is too much.
            publish.topicAlias = 0
            guard isNamed, fits(publish) else { return skip(delivery, .mqttTooLarge) }
        }
        if delivery.qos == .exactlyOnce { outgoing.insert(delivery.packetID) }
        PacketWriter.publish(publish, version: version, into: output)
        if isNamed {
            if publish.topicAlias != 0 { outgoingAliases?.sent(message.topic, as: publish.topicAlias) }
        } else if publish.topicAlias != 0 {
            worker.meters.count(.mqttTopicBytesSaved, by: UInt64(message.topic.count - 3))
        }
        worker.meters.count(packetOut: PacketType.publish.rawValue)
        if !isHeld, output.count > Self.highWater { hold(true) }
    }

    /// Bytes of a client's Maximum Packet Size.
    private func fits(_ publish: OutgoingPublish) -> Bool {
        maximumPacketSize == .max || PacketWriter.count(of: publish, version: version) <= Int(maximumPacketSize)
    }

    /// Lets an alias stand for the topic, where the client takes any.
    /// - Returns: the topic goes with it, because the client does not know the alias yet.
    private func name(_ publish: inout OutgoingPublish) -> Bool {
        guard aliasesGranted > 0, publish.topic.count > OutgoingAliases.shortest else { return false }
        let table = outgoingAliases ?? OutgoingAliases(most: Int(aliasesGranted))
        outgoingAliases = table
        switch table.find(publish.topic) {
        case .none: return false
        case .new(let alias):
            publish.topicAlias = alias
            return true
        case .known(let alias):
            publish.topicAlias = alias
            publish.topic = []
            return false
        }
    }

    /// It is not sent: for its session it is done (MQTT 5.0 section 3.1.2.11.4).
    private func skip(_ delivery: Delivery, _ why: WorkerCounter) {
        worker.meters.count(why)
        guard delivery.packetID != 0, let handle, let exchange else { return }
        let settlement = delivery.qos == .exactlyOnce ? Settlement.pubrec(.packetTooLarge) : .puback(.packetTooLarge)
        worker.requests.ask(.settle(handle, exchange.ticket, packetID: delivery.packetID, settlement))
    }

    private func hold(_ isHeld: Bool) {
        guard let handle, let exchange else { return }
        self.isHeld = isHeld
        worker.requests.ask(.hold(handle, exchange.ticket, isHeld))
    }

    /// PUBREL of a message that the client has.
    func sendRelease(_ packetID: UInt16) {
        outgoing.insert(packetID)
        release(packetID, .success)
    }

    private func release(_ packetID: UInt16, _ reason: ReasonCode) {
        guard phase == .open || phase == .finishing else { return }
        PacketWriter.acknowledgement(.pubrel, packetID, reason, text: Span(), version: version, into: output)
        worker.meters.count(packetOut: PacketType.pubrel.rawValue)
        flushSoon()
    }

    /// The client has acknowledged.
    func settle(_ type: PacketType, _ packet: AcknowledgementPacket) {
        guard let handle, let exchange else { return }
        let settlement: Settlement
        switch type {
        case .puback: settlement = .puback(packet.reason)
        case .pubrec:
            // Nobody has sent it such a message (MQTT 5.0 section 4.3.3).
            if version == .v5, !packet.reason.isError, !outgoing.contains(packet.packetID) {
                return release(packet.packetID, .packetIdentifierNotFound)
            }
            if packet.reason.isError { outgoing.remove(packet.packetID) }
            settlement = .pubrec(packet.reason)
        default:
            outgoing.remove(packet.packetID)
            settlement = .pubcomp
        }
        if outgoing.isEmpty { outgoing = [] }
        worker.requests.ask(.settle(handle, exchange.ticket, packetID: packet.packetID, settlement))
    }

    // MARK: - Out

    /// All that a turn has to say leaves in one write.
    func flushSoon() {
        guard !flushAsked, phase != .closed else { return }
        flushAsked = true
        worker.loop.atEndOfTurn(self)
    }

    func flush() {
        guard phase != .closed else { return }
        var hasMoved = !outputBlocked
        while !output.isEmpty {
            switch transport.send(output) {
            case .moved(let n):
                hasMoved = true
                exchange?.bytesOut += UInt64(n)
                worker.meters.count(.bytesOut, by: UInt64(n))
            case .wouldBlock, .ended:
                outputBlocked = true
                if hasMoved, phase != .ending {
                    stalledByMS = worker.loop.nowMS + UInt64(max(1, port.timeouts.send))
                    arm()
                }
                return
            case .failed: return lost()
            }
        }
        output.giveBack()
        if outputBlocked {
            outputBlocked = false
            stalledByMS = 0
            if isHeld { hold(false) }
            goOn()
        } else if isHeld {
            hold(false)
        }
        shutDownIfFlushed()
    }
}

import Adapters
import Bridge
import Bus
import EventCore
import Exchanges
import Gateway
import Settings
import Telemetry
import Topics
import WireMQTT

/// The outside brokers of this process: what they bring goes to the workers, and what they are told comes from the log.
struct Bridges: Sendable {
    /// A consumer of the log for each that is told anything.
    let consumers: [any Consumer]
    private let bridges: [Bridge]

    /// Begins to connect.
    /// - Parameters:
    ///   - inlet: takes what comes in. The workers run.
    ///   - skus: what devices call each product.
    init(_ loaded: LoadedConfiguration, core: EventLog, skus: [Identifier: [String]], inlet: Inlet, log: Log) throws {
        let names = loaded.configuration.allListeners.map(\.name)
        var (bridges, consumers): ([Bridge], [any Consumer]) = ([], [])
        for (settings, options) in zip(loaded.configuration.bridges, loaded.bridges) {
            let principal = Principal(kind: .service, subject: Array((settings.principal ?? "").utf8))
            let source = MessageSource(
                principal: principal, name: Array("bridge-\(settings.name)".utf8),
                listener: UInt16(names.firstIndex { $0 == settings.listener } ?? 0))
            let bridge = try Bridge(options, ingest: BridgeIngest(inlet: inlet, source: source)) { note in
                note.write(to: log, of: settings.name)
            }
            bridges.append(bridge)
            guard !settings.outward.isEmpty else { continue }
            consumers.append(
                TopicFeed(name: "bridge-\(settings.name)", settings.outward, skus: skus, log: core, sink: BridgeSink(bridge: bridge)))
        }
        (self.bridges, self.consumers) = (bridges, consumers)
    }

    /// Ends the connections. What was not settled the brokers send to the next process.
    func close() {
        for bridge in bridges { bridge.close() }
    }

    func families() -> [Family] {
        let all = bridges.map { ($0.name, $0.figures) }
        func family(_ name: String, _ kind: MetricKind, _ help: String, _ value: (BridgeFigures) -> UInt64) -> Family {
            Family(name, kind, help, samples: all.map { Sample(.integer(value($0.1)), labels: [("bridge", $0.0)]) })
        }
        guard !all.isEmpty else { return [] }
        let endings: [(String, (BridgeFigures) -> UInt64)] = [
            ("taken", \.taken), ("refused", \.refused), ("postponed", \.postponed), ("lost", \.lost), ("stale", \.stale),
        ]
        return [
            family("nexus_bridge_connected", .gauge, "Whether the outside broker has let the bridge in.") { $0.isConnected ? 1 : 0 },
            family("nexus_bridge_connects", .counter, "Connections that were granted.") { $0.connects },
            family("nexus_bridge_losses", .counter, "Connections that were lost, and attempts that failed.") { $0.losses },
            family("nexus_bridge_received", .counter, "Messages read.") { $0.received },
            Family(
                "nexus_bridge_messages", .counter, "Messages read, by what came of them.",
                samples: all.flatMap { name, figures in
                    endings.map { Sample(.integer($0.1(figures)), labels: [("bridge", name), ("result", $0.0)]) }
                }),
            family("nexus_bridge_unsettled", .gauge, "Messages read and not settled.") { UInt64($0.unsettled) },
            family("nexus_bridge_at_risk", .gauge, "Of those, messages that nobody else has.") { UInt64($0.atRisk) },
            family("nexus_bridge_published", .counter, "Messages that the outside broker has acknowledged.") { $0.published },
            family("nexus_bridge_unpublished", .counter, "Messages that it has not, in time or at all.") { $0.unpublished },
            family("nexus_bridge_publishing", .gauge, "Messages on their way to it.") { UInt64($0.publishing) },
            family("nexus_bridge_refused_filters", .counter, "Filters that it did not grant.") { $0.refusedFilters },
        ]
    }
}

/// What a bridge reads goes through the pipeline.
private struct BridgeIngest: Ingest {
    let inlet: Inlet
    let source: MessageSource

    func take(_ message: BridgedMessage, isLast: Bool) async -> IngestOutcome {
        let qos = message.qos == 0 ? QoS.atMostOnce : .atLeastOnce
        let whole = Message(topic: message.topic, payload: message.payload, qos: qos, properties: Self.properties(of: message))
        return switch await inlet.take(whole, from: source, isLast: isLast) {
        case .taken: .taken
        case .refused: .refused
        case .later: .later
        case .failed: .failed
        }
    }

    /// As MQTT 5 encodes them: content type (3), user properties (38).
    private static func properties(of message: BridgedMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ text: String) {
            let text = text.utf8.prefix(Int(UInt16.max))
            bytes += [UInt8(text.count >> 8), UInt8(text.count & 255)] + text
        }
        if let type = message.contentType {
            bytes.append(3)
            append(type)
        }
        for property in message.properties {
            bytes.append(38)
            append(property.name)
            append(property.value)
        }
        return bytes
    }
}

/// Messages of the feed go to an outside broker.
private struct BridgeSink: TopicSink {
    let bridge: Bridge

    func publish(_ message: FeedMessage) async -> Applied {
        let seconds = message.expiresMS.map { end in
            let now = UInt64(max(0, Timestamp.now().microseconds)) / 1000
            return UInt32(clamping: (max(end, now) - now + 999) / 1000)
        }
        let outward = OutwardMessage(
            topic: String(decoding: message.topic, as: UTF8.self), payload: message.payload, isRetained: message.isRetained,
            expirySeconds: seconds.map { max(1, $0) }, contentType: "application/json")
        return switch await bridge.publish(outward) {
        case .acknowledged: .done
        // It may have been told otherwise by the time of the next attempt.
        case .refused(let reason): .transient(Failure(reason: "the outside broker refuses the message: reason \(reason)"))
        case .unavailable: .transient(Failure(reason: "the outside broker does not answer"))
        }
    }
}

extension BridgeNote {
    fileprivate func write(to log: Log, of name: String) {
        switch self {
        case .connected(let sessionPresent):
            log.info("bridge connected", ["bridge": name, "sessionPresent": "\(sessionPresent)"])
        case .lost(let why): log.warning("bridge not connected", ["bridge": name, "reason": why])
        case .refused(let code): log.error("the outside broker refuses the bridge", ["bridge": name, "code": "\(code)"])
        case .filterRefused(let filter):
            log.error("the outside broker does not grant a filter", ["bridge": name, "filter": filter])
        }
    }
}

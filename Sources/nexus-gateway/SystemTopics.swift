import ArgumentParser
import Telemetry
import Topics
import WireMQTT

/// What the broker says of itself under `$SYS`, by the names that mosquitto has made usual. The numbers are those of the
/// metrics. Who may subscribe is for routes to say, as of all topics.
struct SystemTopics: Sendable {
    let broker: Broker
    let meters: Meters
    private let began = ContinuousClock.now

    init(broker: Broker, meters: Meters) {
        self.broker = broker
        self.meters = meters
    }

    /// Until it is cancelled.
    func run(every milliseconds: UInt32) async {
        while !Task.isCancelled {
            broker.tell(messages())
            try? await Task.sleep(for: .milliseconds(Int(milliseconds)))
        }
    }

    private func messages() -> [Message] {
        let figures = broker.figures
        let counts = meters.mqtt
        let dropped = figures.dropped
        let all = dropped.queueFull + dropped.held + dropped.mailboxFull + dropped.expired + dropped.noMember + counts.undelivered
        let texts: [(String, String)] = [
            ("version", "nexus-gateway version \(NexusGateway.configuration.version)"),
            ("uptime", "\(began.duration(to: .now).components.seconds) seconds"),
            ("clients/connected", "\(figures.connected)"),
            ("clients/disconnected", "\(max(0, figures.sessions - figures.connected))"),
            ("clients/total", "\(figures.sessions)"),
            ("clients/expired", "\(figures.expiredSessions)"),
            ("messages/received", "\(counts.packetsIn)"),
            ("messages/sent", "\(counts.packetsOut)"),
            ("publish/messages/received", "\(counts.publishesIn)"),
            ("publish/messages/sent", "\(counts.publishesOut)"),
            ("publish/messages/dropped", "\(all)"),
            ("store/messages/count", "\(figures.queuedMessages)"),
            ("store/messages/bytes", "\(figures.queuedBytes)"),
            ("retained messages/count", "\(figures.retained)"),
            ("subscriptions/count", "\(figures.subscriptions)"),
        ]
        return texts.map { name, text in
            Message(topic: Array("$SYS/broker/\(name)".utf8), payload: Array(text.utf8), qos: .atMostOnce, isRetained: true)
        }
    }
}

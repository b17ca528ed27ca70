import Telemetry
import Topics

/// The broker's figures as metric families.
enum BrokerSeries {
    static func families(of broker: Broker) -> [Family] {
        let figures = broker.figures
        func gauge(_ name: String, _ help: String, _ value: Int) -> Family { Family(name, .gauge, help, .integer(UInt64(max(0, value)))) }
        func counter(_ name: String, _ help: String, _ value: UInt64) -> Family { Family(name, .counter, help, .integer(value)) }
        let dropped = figures.dropped
        let reasons = [
            ("queue_full", dropped.queueFull), ("congested", dropped.held), ("mailbox_full", dropped.mailboxFull),
            ("expired", dropped.expired), ("no_member", dropped.noMember), ("withdrawn", dropped.withdrawn),
        ]
        return [
            gauge("nexus_mqtt_sessions", "MQTT sessions, with a connection or without.", figures.sessions),
            gauge("nexus_mqtt_sessions_connected", "MQTT sessions with a connection.", figures.connected),
            gauge("nexus_mqtt_subscriptions", "Filters of all MQTT sessions.", figures.subscriptions),
            gauge("nexus_mqtt_queued_messages", "Messages in queues, those in flight included.", figures.queuedMessages),
            gauge("nexus_mqtt_queued_bytes", "Bytes of them, each message counted once.", figures.queuedBytes),
            gauge("nexus_mqtt_retained", "Topics with a retained message.", figures.retained),
            gauge("nexus_mqtt_retained_bytes", "Bytes of them.", figures.retainedBytes),
            gauge("nexus_mqtt_broker_queue", "Requests of workers that the broker has still to carry out.", broker.depth),
            counter("nexus_mqtt_published", "Messages published to subscribers.", figures.published),
            counter("nexus_mqtt_deliveries", "Messages put into subscribers' queues, or sent to them at once.", figures.deliveries),
            Family(
                "nexus_mqtt_dropped", .counter, "Messages that a subscriber did not get.",
                samples: reasons.map { Sample(.integer($0.1), labels: [("reason", $0.0)]) }),
            counter("nexus_mqtt_sessions_evicted", "Sessions that had to go before their time, for others.", figures.evictions),
            Family(
                "nexus_mqtt_sessions_refused", .counter, "Clients that got no session: their principal had as many as he may, or everybody.",
                samples: [("principal", figures.refusedAsOwners), ("all", figures.refusedAsFull)].map {
                    Sample(.integer($0.1), labels: [("full", $0.0)])
                }),
            counter("nexus_mqtt_filters_withdrawn", "Filters of sessions whose clients may have them no more.", figures.withdrawn),
            counter("nexus_mqtt_sessions_expired", "Sessions whose time without a connection was over.", figures.expiredSessions),
            counter("nexus_mqtt_take_overs", "Connections that ended because another one took their session.", figures.takeOvers),
            counter("nexus_mqtt_wills", "Wills that were due.", figures.wills),
            counter("nexus_mqtt_refused_kept", "Refused messages that were kept.", figures.refusedKept),
            counter("nexus_mqtt_commits", "Transactions of sessions, each with one fsync.", figures.commits),
            counter("nexus_mqtt_commits_failed", "Transactions of sessions that failed.", figures.failedCommits),
            Family(
                "nexus_mqtt_commit_seconds", .histogram, "A transaction of sessions with its fsync.", unit: "seconds",
                samples: samples(figures.commitSeconds)),
        ]
    }

    /// Cumulative buckets, sum and count.
    private static func samples(_ histogram: BrokerFigures.Histogram) -> [Sample] {
        var running: UInt64 = 0
        var out: [Sample] = []
        for (i, count) in histogram.counts.enumerated() {
            running += count
            let bound = i < histogram.bounds.count ? "\(histogram.bounds[i])" : "+Inf"
            out.append(Sample(.integer(running), labels: [("le", bound)], suffix: "_bucket"))
        }
        out.append(Sample(.real(histogram.sum), suffix: "_sum"))
        out.append(Sample(.integer(running), suffix: "_count"))
        return out
    }
}

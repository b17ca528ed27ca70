import Bus
import EventCore
import Settings
import Telemetry

extension BusOptions {
    init(_ settings: BusSettings) {
        self.init(
            core: Set(settings.core), concurrency: settings.concurrency, held: settings.held,
            asideMS: UInt64(settings.asideRetry))
    }
}

extension BusNote {
    func write(to log: Log) {
        switch self {
        case .putAside(let consumer, let event, let failure, let attempts):
            log.warning(
                "an event is in the dead-letter queue", [
                    "entry": "\(consumer).\(event.position)", "eventType": event.event.type,
                    "aggregate": "\(event.aggregate.type)/\(event.aggregate.id)", "reason": failure.reason,
                    "attempts": "\(attempts)",
                ])
        case .cannotRemember(let consumer, let error):
            log.error("a consumer stands still: its store cannot be written", ["consumer": consumer, "error": "\(error)"])
        case .cannotRead(let consumer, let error):
            log.error("a consumer stands still: the event store cannot be read", ["consumer": consumer, "error": "\(error)"])
        }
    }
}

/// The consumers' figures as metric families.
enum BusSeries {
    static func families(of bus: Bus) -> [Family] {
        let all = bus.figures
        func family(
            _ name: String, _ kind: MetricKind, _ help: String, unit: String = "", label: String = "consumer",
            _ value: (ConsumerFigures) -> Sample.Value
        ) -> Family {
            Family(name, kind, help, unit: unit, samples: all.map { Sample(value($0), labels: [(label, $0.name)]) })
        }
        return [
            family("nexus_consumer_lag_events", .gauge, "Events of the log that a consumer has still to look at.") { .integer($0.lagEvents) },
            family("nexus_consumer_lag_seconds", .gauge, "Age of the oldest event that a consumer has not dealt with.", unit: "seconds") {
                .real($0.lagSeconds)
            },
            family("nexus_consumer_events", .counter, "Events applied.") { .integer($0.applied) },
            family("nexus_consumer_failures", .counter, "Attempts that failed.") { .integer($0.failed) },
            family("nexus_consumer_retrying", .gauge, "Aggregates whose next event is being retried.") { .integer(UInt64($0.retrying)) },
            family("nexus_consumer_held", .gauge, "Aggregates that the checkpoint does not wait for.") { .integer(UInt64($0.held)) },
            family("nexus_consumer_store_failures", .counter, "Reads and commits that failed; the consumer stands still meanwhile.") {
                .integer($0.failedCommits + $0.failedReads)
            },
            family("nexus_dlq_depth", .gauge, "Events in a dead-letter queue, those that wait behind one included.", label: "queue") {
                .integer($0.dlqDepth)
            },
            family("nexus_dlq_oldest_seconds", .gauge, "Age of the oldest failure in a dead-letter queue.", unit: "seconds", label: "queue") {
                .real($0.dlqSeconds)
            },
            family("nexus_dlq_events", .counter, "Events put into a dead-letter queue.", label: "queue") { .integer($0.putAside) },
            family("nexus_dlq_skipped", .counter, "Events that operators have skipped.", label: "queue") { .integer($0.skipped) },
            Family(
                "nexus_consumer_delivery_seconds", .histogram, "From an event's time to its being dealt with.", unit: "seconds",
                samples: all.flatMap { figures in
                    samples(figures.core, figures.name, .core) + samples(figures.secondary, figures.name, .secondary)
                }),
        ]
    }

    /// Cumulative buckets, sum and count.
    private static func samples(_ times: DeliveryTimes, _ consumer: String, _ path: DeliveryPath) -> [Sample] {
        let labels = [("consumer", consumer), ("path", path.rawValue)]
        var running: UInt64 = 0
        var out: [Sample] = []
        for (i, count) in times.counts.enumerated() {
            running += count
            let bound = i < DeliveryTimes.bounds.count ? "\(DeliveryTimes.bounds[i])" : "+Inf"
            out.append(Sample(.integer(running), labels: labels + [("le", bound)], suffix: "_bucket"))
        }
        out.append(Sample(.real(times.sum), labels: labels, suffix: "_sum"))
        out.append(Sample(.integer(running), labels: labels, suffix: "_count"))
        return out
    }
}

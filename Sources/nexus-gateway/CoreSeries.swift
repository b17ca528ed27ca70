import EventCore
import Telemetry

/// The event log's figures as metric families.
enum CoreSeries {
    static func families(of core: EventLog) -> [Family] {
        let figures = core.meters.read()
        return [
            Family("nexus_events_appended", .counter, "Events made durable.", .integer(figures.events)),
            Family("nexus_commits", .counter, "Transactions, each with one fsync.", .integer(figures.commits)),
            Family("nexus_commits_failed", .counter, "Transactions that failed.", .integer(figures.failedCommits)),
            Family("nexus_commands", .counter, "Commands decided.", .integer(figures.commands)),
            Family("nexus_commands_refused", .counter, "Commands refused.", .integer(figures.refused)),
            Family(
                "nexus_commands_repeated", .counter, "Commands and messages that repeated an earlier one and got its outcome.",
                .integer(figures.repeated)),
            Family(
                "nexus_idempotency_records", .gauge, "Requests remembered by their idempotency keys.",
                .integer(UInt64(figures.remembered))),
            Family(
                "nexus_delivery_sessions", .gauge, "Sessions of which messages are remembered that may come again.",
                .integer(UInt64(figures.deliverySessions))),
            Family(
                "nexus_append_conflicts", .counter, "Appends that met events of another writer and were decided again.",
                .integer(figures.conflicts)),
            Family(
                "nexus_events_invalid", .counter, "Events that did not fit their schema and were not stored.",
                .integer(figures.invalidEvents)),
            Family("nexus_core_queue", .gauge, "Commands and queries that wait.", .integer(UInt64(core.depth))),
            Family("nexus_events_head", .gauge, "Global position of the last event.", .integer(figures.head)),
            Family("nexus_aggregates_cached", .gauge, "Aggregates in memory.", .integer(UInt64(figures.cached))),
            Family("nexus_aggregate_loads", .counter, "Aggregates read back from the store.", .integer(figures.loads)),
            Family(
                "nexus_aggregate_loads_from_snapshot", .counter, "Loads that began with a snapshot.",
                .integer(figures.loadsFromSnapshot)),
            Family("nexus_events_replayed", .counter, "Events folded in loads.", .integer(figures.eventsReplayed)),
            Family("nexus_snapshots_written", .counter, "Snapshots kept.", .integer(figures.snapshotsWritten)),
            Family("nexus_snapshots_failed", .counter, "Snapshots that could not be kept.", .integer(figures.snapshotsFailed)),
            Family(
                "nexus_snapshots_unreadable", .counter, "Snapshots left aside in a load: damaged, of another form or log.",
                .integer(figures.snapshotsUnreadable)),
            Family(
                "nexus_append_seconds", .histogram, "A transaction with its fsync.", unit: "seconds",
                samples: samples(figures.commitSeconds)),
            Family(
                "nexus_append_group_size", .histogram, "Commands and queries answered together.",
                samples: samples(figures.groupSize)),
        ]
    }

    /// Cumulative buckets, sum and count.
    private static func samples(_ histogram: LogMeters.Histogram) -> [Sample] {
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

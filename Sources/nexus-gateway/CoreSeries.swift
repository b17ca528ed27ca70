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
            Family("nexus_core_queue", .gauge, "Commands and queries that wait.", .integer(UInt64(core.depth))),
            Family("nexus_events_head", .gauge, "Global position of the last event.", .integer(figures.head)),
        ]
    }
}

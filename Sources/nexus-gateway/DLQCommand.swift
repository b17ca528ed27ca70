import ArgumentParser
import Contracts
import Exchanges

/// `nexus-gateway dlq`: the events that the running daemon's consumers could not apply.
struct DLQCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dlq", abstract: "List dead-letter queues and their entries, show one, and decide about it.",
        discussion: "Asks /dlq of the admin listener that the configuration names.",
        subcommands: [List.self, Show.self, Retry.self, Skip.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the queues, or the entries of one, a line each.")

        @Argument(help: "A consumer's name; without it: all queues, with their depths.")
        var queue: String?

        @Flag(help: "Also what is being retried and not in the queue yet.")
        var all = false

        @Option(help: "At most so many, 1 to 1000.")
        var limit = 100

        @Option(help: "The nextToken of the page before.")
        var token: String?

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            guard let queue else {
                try daemon.print(try daemon.ask(.get, "/dlq")) { DLQText.queues($0) }
                return
            }
            var path = "/dlq?queue=\(daemon.escaped(queue))&limit=\(limit)"
            if all { path += "&state=all" }
            if let token { path += "&nextToken=" + daemon.escaped(token) }
            try daemon.print(try daemon.ask(.get, path)) { DLQText.entries($0) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print one entry: its event, and the first of those that wait behind it.")
        @OptionGroup var entry: Entry

        func run() throws {
            try entry.daemon.print(try entry.daemon.ask(.get, entry.path)) { DLQText.entry($0) }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Try it again now.", discussion: "When it goes well, what waits behind it follows, in order.")
        @OptionGroup var entry: Entry
        func run() throws { try entry.send("retry") }
    }

    struct Skip: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "It counts as dealt with: it does not matter, or somebody did it by hand.",
            discussion: "What waits behind it follows, in order. A record of the event is kept.")
        @OptionGroup var entry: Entry
        func run() throws { try entry.send("skip") }
    }

    struct Entry: ParsableArguments {
        @Argument(help: "The entry, such as deferred-steps.1234.")
        var entry: String

        @OptionGroup var daemon: AskedDaemon

        var path: String { "/dlq/" + daemon.escaped(entry) }

        func send(_ decision: String) throws {
            try daemon.print(try daemon.ask(.post, "\(path)/\(decision)")) { "\(entry): \($0.shown("result"))\n" }
        }
    }
}

/// The daemon's answers for people.
enum DLQText {
    static func queues(_ report: JSONValue) -> String {
        let rows = report.items("queues").map { queue in
            ["queue", "depth", "aggregates", "retrying"].map { queue.shown($0) }
                + [queue.shown("oldestSeconds") + "s", queue.shown("lagEvents")]
        }
        var text = ([["QUEUE", "DEPTH", "AGGREGATES", "RETRYING", "OLDEST", "LAG"]] + rows).aligned
        if let refused = report["refusedMessages"] {
            text += "refused MQTT messages: \(refused.shown("count")) (nexus-gateway mqtt refused)\n"
        }
        return text
    }

    static func entries(_ report: JSONValue) -> String {
        let rows = report.items("entries").map { entry in
            [
                entry.shown("entry"), entry.shown("state"), entry.shown("aggregateType") + "/" + entry.shown("aggregateId"),
                entry.shown("eventType"), entry.shown("attempts"), entry.shown("waiting"), entry.shown("since"),
                entry.shown("reason"),
            ]
        }
        var text = ([["ENTRY", "STATE", "AGGREGATE", "EVENT", "ATTEMPTS", "WAITING", "SINCE", "REASON"]] + rows).aligned
        if report["nextToken"] != nil { text += "more: --token \(report.shown("nextToken"))\n" }
        return text
    }

    static func entry(_ report: JSONValue) -> String {
        var text = ""
        for name in [
            "entry", "state", "aggregateType", "aggregateId", "eventType", "position", "version", "attempts", "waiting",
            "transient", "reason", "grpcCode", "since", "nextAttempt",
        ] where report[name] != nil {
            text += name + ": " + report.shown(name) + "\n"
        }
        for event in report.items("events") {
            var json = JSONWriter<[UInt8]>([])
            event["payload"]?.write(to: &json)
            text += "\(event.shown("version"))  \(event.shown("timestamp"))  \(event.shown("type"))  "
                + String(decoding: json.sink, as: UTF8.self) + "\n"
        }
        return text
    }
}

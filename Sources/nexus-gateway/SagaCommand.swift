import ArgumentParser
import Contracts
import Exchanges

/// `nexus-gateway saga`: the running daemon's sagas, and people's decisions about them.
struct SagaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "saga", abstract: "List sagas, show one, and decide about those that wait for people.",
        discussion: "Asks /sagas of the admin listener that the configuration names.",
        subcommands: [List.self, Show.self, Retry.self, Skip.self, Compensate.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print sagas, a line each: those that are not over, unless asked otherwise.")

        @Option(help: "IN_PROGRESS, PARKED, COMPLETED or COMPENSATED (the last two: of the last 24 hours).")
        var status: String?

        @Option(help: "At most so many, 1 to 1000.")
        var limit = 100

        @Option(help: "The nextToken of the page before.")
        var token: String?

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            var path = "/sagas?limit=\(limit)"
            if let status { path += "&status=" + daemon.escaped(status.uppercased()) }
            if let token { path += "&nextToken=" + daemon.escaped(token) }
            try daemon.print(try daemon.ask(.get, path)) { SagaTable($0).render() }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print one saga: its steps and its tasks.")

        @Argument(help: "The saga's id, such as checkout-<order>.")
        var saga: String

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            try daemon.print(try daemon.ask(.get, "/sagas/" + daemon.escaped(saga))) { SagaSheet($0).render() }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Do it again: it has not happened, or does no harm twice.",
            discussion: "Of a saga that is parked without a task: try now.")
        @OptionGroup var decision: Decision
        func run() throws { try decision.send("retry") }
    }

    struct Skip: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "It counts as done: it has happened, or somebody did it by hand.",
            discussion: "Say with --note what the core must know, such as the transaction's id.")
        @OptionGroup var decision: Decision
        func run() throws { try decision.send("skip") }
    }

    struct Compensate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "It counts as not done; what was done before is undone.",
            discussion: "Of a saga without a task: stop it where it is, and go back.")
        @OptionGroup var decision: Decision
        func run() throws { try decision.send("compensate") }
    }

    struct Decision: ParsableArguments {
        @Argument(help: "The saga's id.")
        var saga: String

        @Option(help: "Which step, where several wait.")
        var step: String?

        @Option(help: "Kept with the decision.")
        var note: String?

        @OptionGroup var daemon: AskedDaemon

        func send(_ decision: String) throws {
            var json = JSONWriter<[UInt8]>([])
            json.beginObject()
            for (name, value) in [("step", step), ("note", note)] {
                guard let value else { continue }
                json.name(name)
                json.string(value)
            }
            json.endObject()
            let path = "/sagas/\(daemon.escaped(saga))/\(decision)"
            try daemon.print(try daemon.ask(.post, path, body: json.sink)) { SagaSheet($0).render() }
        }
    }
}

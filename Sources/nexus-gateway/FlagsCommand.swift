import ArgumentParser
import Contracts
import Exchanges
import Settings

/// `nexus-gateway flags`: the running daemon's flags, and the weights that people set.
struct FlagsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flags", abstract: "List flags, set a flag's weight while the gateway runs, and give it back to its file.",
        discussion: "Asks /flags of the admin listener that the configuration names.", subcommands: [List.self, Set.self, Clear.self],
        defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the flags: what their file says, what is in force, and who set it when.")

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            try daemon.print(try daemon.ask(.get, "/flags")) { FlagTable($0.items("flags")).render() }
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a flag's weight, at once and for all workers.",
            discussion: "It stands until it is cleared, whatever the file says, also after reloads and restarts; 0 rolls back.")

        @Argument(help: "The flag.")
        var flag: String

        @Argument(help: "The share of the users for whom it is on, in percent, with at most two decimals.")
        var weight: String

        @OptionGroup var change: Change

        func validate() throws {
            guard Percentage.basisPoints(weight) != nil else {
                throw ValidationError("the weight is a percentage from 0 to 100 with at most two decimals, not '\(weight)'")
            }
        }

        func run() throws { try change.send(flag, "set", weight: weight) }
    }

    struct Clear: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take back what was set: the flag's file decides again.")

        @Argument(help: "The flag.")
        var flag: String

        @OptionGroup var change: Change

        func run() throws { try change.send(flag, "clear", weight: nil) }
    }

    struct Change: ParsableArguments {
        @Option(help: "Why; kept with the change.")
        var note: String?

        @OptionGroup var daemon: AskedDaemon

        func send(_ flag: String, _ action: String, weight: String?) throws {
            var json = JSONWriter<[UInt8]>([])
            json.beginObject()
            if let weight {
                json.name("weight")
                json.number(text: weight)
            }
            if let note {
                json.name("note")
                json.string(note)
            }
            json.endObject()
            let path = "/flags/\(daemon.escaped(flag))/\(action)"
            try daemon.print(try daemon.ask(.post, path, body: json.sink)) { FlagTable([$0]).render() }
        }
    }
}

/// Flags for people: a line each.
private struct FlagTable {
    let flags: [JSONValue]

    init(_ flags: [JSONValue]) { self.flags = flags }

    func render() -> String {
        var rows = [["FLAG", "WEIGHT", "FILE", "SET BY", "SINCE", "NOTE"]]
        for flag in flags {
            let override = flag["override"]
            rows.append([
                flag.shown("flag"), flag.shown("weight") + " %", flag.shown("file") + " %", override?.shown("by") ?? "-",
                override?.shown("since") ?? "-", override?.shown("note") ?? "-",
            ])
        }
        return rows.aligned
    }
}

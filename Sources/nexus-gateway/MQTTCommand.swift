import ArgumentParser
import Contracts
import Exchanges

/// `nexus-gateway mqtt`: the running daemon's MQTT sessions, and the messages it refused.
struct MQTTCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mqtt", abstract: "List MQTT sessions and refused messages; show, retry or drop one; end a client's connection.",
        discussion: "Asks /mqtt of the admin listener that the configuration names.",
        subcommands: [Sessions.self, Kick.self, Refused.self, Show.self, Drop.self, MQTTRetryCommand.self])

    struct Sessions: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the sessions, a line each.")
        @OptionGroup var page: Page

        func run() throws { try page.show("sessions") { MQTTText.sessions($0) } }
    }

    struct Kick: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a client's connection.",
            discussion: "Its session stays, and it may connect again: revoke its credential to keep it out.")

        @Argument(help: "The client's id.")
        var client: String

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            try daemon.print(try daemon.ask(.post, "/mqtt/sessions/\(daemon.escaped(client))/kick")) { "\(client): \($0.shown("result"))\n" }
        }
    }

    struct Refused: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the refused messages, the newest first, a line each.",
            discussion: "They were acknowledged, because their senders would have sent them again for ever.")
        @OptionGroup var page: Page

        func run() throws { try page.show("refused") { MQTTText.refused($0) } }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print one refused message with its payload.")
        @OptionGroup var entry: Entry

        func run() throws { try entry.daemon.print(try entry.daemon.ask(.get, entry.path)) { MQTTText.entry($0) } }
    }

    struct Drop: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget one refused message: somebody has dealt with it.")
        @OptionGroup var entry: Entry

        func run() throws {
            try entry.daemon.print(try entry.daemon.ask(.post, entry.path + "/drop")) { "\(entry.number): \($0.shown("result"))\n" }
        }
    }

    struct Entry: ParsableArguments {
        @Argument(help: "The message's number.")
        var number: UInt64

        @OptionGroup var daemon: AskedDaemon

        var path: String { "/mqtt/refused/\(number)" }
    }

    struct Page: ParsableArguments {
        @Option(help: "At most so many, 1 to 1000.")
        var limit = 100

        @Option(help: "The nextToken of the page before.")
        var token: String?

        @OptionGroup var daemon: AskedDaemon

        func show(_ list: String, _ text: (JSONValue) -> String) throws {
            var path = "/mqtt/\(list)?limit=\(limit)"
            if let token { path += "&nextToken=" + daemon.escaped(token) }
            try daemon.print(try daemon.ask(.get, path)) { report in
                text(report) + (report["nextToken"] == nil ? "" : "more: --token \(report.shown("nextToken"))\n")
            }
        }
    }
}

/// The daemon's answers for people.
enum MQTTText {
    static func sessions(_ report: JSONValue) -> String {
        let rows = report.items("sessions").map { session in
            ["clientId", "connected", "queued", "queuedBytes", "subscriptions", "expirySeconds", "leftAt"].map { session.shown($0) }
        }
        return ([["CLIENT", "CONNECTED", "QUEUED", "BYTES", "SUBSCRIPTIONS", "EXPIRY", "LEFT"]] + rows).aligned
    }

    static func refused(_ report: JSONValue) -> String {
        let rows = report.items("refused").map { entry in
            ["number", "at", "clientId", "topic", "qos", "bytes", "code", "reason"].map { entry.shown($0) }
        }
        return ([["NUMBER", "AT", "CLIENT", "TOPIC", "QOS", "BYTES", "CODE", "REASON"]] + rows).aligned
    }

    static func entry(_ report: JSONValue) -> String {
        ["number", "at", "clientId", "subject", "topic", "qos", "code", "reason", "bytes", "payload", "payloadHex"]
            .filter { report[$0] != nil }.map { "\($0): \(report.shown($0))\n" }.joined()
    }
}

import ArgumentParser
import Contracts
import Exchanges

/// `nexus-gateway revoke`: a token, or all of somebody's, is not believed any more.
struct RevokeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke one token by its jti, or all tokens of a subject that were issued until now.",
        discussion: "Asks /revocations of the admin listener that the configuration names. All workers know within a second.")

    @Option(help: "The token's jti.")
    var jti: String?

    @Option(help: "The subject whose tokens are meant.")
    var sub: String?

    @Option(help: "The issuer's name in the configuration; without it: of any.")
    var issuer: String?

    @Option(help: "With --sub: only tokens issued before, seconds since 1970; without it: until now.")
    var before: UInt64?

    @Option(help: "Seconds to remember this, at least as long as such tokens live; 30 days if not said.")
    var ttl: UInt64?

    @OptionGroup var daemon: AskedDaemon

    func validate() throws {
        if (jti == nil) == (sub == nil) { throw ValidationError("say either --jti or --sub") }
        if jti != nil, before != nil { throw ValidationError("--before goes with --sub") }
    }

    func run() throws {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        for (name, text) in [("jti", jti), ("sub", sub), ("issuer", issuer)] {
            guard let text else { continue }
            json.name(name)
            json.string(text)
        }
        for (name, number) in [("before", before), ("ttl", ttl)] {
            guard let number else { continue }
            json.name(name)
            json.integer(number)
        }
        json.endObject()
        try daemon.print(try daemon.ask(.post, "/revocations", body: json.sink)) { "revoked: \($0.shown("id"))\n" }
    }
}

/// `nexus-gateway revocations`: what is revoked, and taking it back.
struct RevocationsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revocations", abstract: "List what is revoked, and take a revocation back.",
        discussion: "Asks /revocations of the admin listener that the configuration names.", subcommands: [List.self, Remove.self],
        defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the revocations, a line each.")

        @Option(help: "At most so many, 1 to 1000.")
        var limit = 100

        @Option(help: "Those behind this id: the one the page before ended with.")
        var after: String?

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            var path = "/revocations?limit=\(limit)"
            if let after { path += "&after=" + daemon.escaped(after) }
            try daemon.print(try daemon.ask(.get, path)) { report in
                let rows = report.items("revocations").map { entry in
                    ["id", "jti", "sub", "issuer", "before", "exp"].map { entry.shown($0) }
                }
                var text = ([["ID", "JTI", "SUB", "ISSUER", "BEFORE", "EXP"]] + rows).aligned
                if report["after"] != nil { text += "more: --after \(report.shown("after"))\n" }
                return text
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take one back: what it spoke of is believed again.")

        @Argument(help: "The revocation's id.")
        var id: String

        @OptionGroup var daemon: AskedDaemon

        func run() throws {
            try daemon.print(try daemon.ask(.delete, "/revocations/" + daemon.escaped(id))) { "taken back: \($0.shown("id"))\n" }
        }
    }
}

import ArgumentParser
import Contracts
import Exchanges
import WireMQTT

/// `nexus-gateway mqtt retry`: one refused message, or several, through the pipeline once more.
struct MQTTRetryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Send a refused message through its route once more, as its sender's.",
        discussion: """
            When what was wrong is right by now: a product that is known, a route that is there. The message goes through the same \
            stages as it did, by the rights that its sender had when he sent it; when it is taken it leaves the list. With --all the \
            oldest goes first, and the first one that cannot be decided on for now ends the run.
            """)

    @Argument(help: "The message's number.")
    var number: UInt64?

    @Flag(help: "All on the list, as far as they fit.")
    var all = false

    @Option(help: "With --all: at most so many, 1 to 1000.")
    var limit = 100

    @Option(help: "With --all: those whose topic this filter takes.")
    var topic: String?

    @Option(help: "With --all: those that were refused with this code.")
    var code: String?

    @OptionGroup var daemon: AskedDaemon

    /// Messages on the list that are looked at, the newest.
    private static let mostListed = 10_000

    func validate() throws {
        guard (number != nil) != all else { throw ValidationError("either a number, or --all") }
        guard all || topic == nil && code == nil else { throw ValidationError("--topic and --code are for --all") }
        guard (1...1000).contains(limit) else { throw ValidationError("--limit is from 1 to 1000") }
        if let topic, Self.filter(topic) == nil { throw ValidationError("'\(topic)' is no topic filter") }
    }

    func run() throws {
        var counts: [String: Int] = [:]
        for number in try number.map({ [$0] }) ?? fitting() {
            let answer = try daemon.ask(.post, "/mqtt/refused/\(number)/retry")
            try daemon.print(answer) { "\(number): \(MQTTText.retried($0))\n" }
            let result = (try? JSONValue(answer.span))?.shown("result") ?? ""
            counts[result, default: 0] += 1
            if result == "later" { break }
        }
        if all && !daemon.json { print("taken: \(counts["taken", default: 0]), refused: \(counts["refused", default: 0])") }
        if counts.contains(where: { $0.key != "taken" }) { throw ExitCode.failure }
    }

    private static func filter(_ text: String) -> TopicFilter? {
        let bytes = Array(text.utf8)
        return TopicFilter(bytes.span, mostLevels: .max)
    }

    /// The oldest first.
    private func fitting() throws -> [UInt64] {
        var found: [UInt64] = []
        var token: String?
        for _ in 0..<(Self.mostListed / 1000) {
            let path = "/mqtt/refused?limit=1000" + (token.map { "&nextToken=" + daemon.escaped($0) } ?? "")
            let body = try daemon.ask(.get, path)
            guard let page = try? JSONValue(body.span, limits: JSONLimits(bytes: 64 << 20)) else {
                throw ValidationError("what answers is no gateway")
            }
            for entry in page.items("refused") where fits(entry) {
                if let number = UInt64(entry.shown("number")) { found.append(number) }
            }
            guard page["nextToken"] != nil else { break }
            token = page.shown("nextToken")
        }
        return found.suffix(limit).reversed()
    }

    private func fits(_ entry: JSONValue) -> Bool {
        if let code, entry.shown("code") != code { return false }
        guard let filter = topic.flatMap({ Self.filter($0) }) else { return true }
        guard case .string(let text)? = entry["topic"] else { return false }
        let name = Array(text.utf8)
        return filter.matches(name.span)
    }
}

extension MQTTText {
    static func retried(_ report: JSONValue) -> String {
        let result = report.shown("result")
        guard result != "taken" else { return result }
        return "\(result): \(report.shown("code")), \(report.shown("reason"))"
    }
}

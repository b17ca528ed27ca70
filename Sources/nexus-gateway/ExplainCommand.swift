import ArgumentParser
import Exchanges
import Routes
import Settings
import WireHTTP

/// `nexus-gateway explain METHOD PATH`: which route, why not the others, which stages, which target. With `--mqtt` the
/// same of what an MQTT client does: `explain --mqtt publish iot/inventory/A-1/delta`.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say which route a request takes, and why.",
        discussion: "Exits 0 when a route takes the request, 1 when none does.")

    @Argument(help: "The method, such as GET; with --mqtt connect, publish or subscribe.")
    var method: String

    @Argument(
        help: "The path, such as /api/cart/42, and its query if there is one; with --mqtt the client identifier, the topic or the filter.")
    var path: String

    @Option(name: [.customShort("H"), .customLong("header")], help: "A header field, 'Name: value'; may be repeated.")
    var headers: [String] = []

    @Option(help: "The host the request names.")
    var host = "localhost"

    @Option(help: "The listener it comes in by; otherwise the first that speaks the protocol.")
    var listener: String?

    @Flag(help: "It is of MQTT.")
    var mqtt = false

    @OptionGroup var options: ConfigurationOptions

    /// The path's normal form, or nil where the codec would refuse it.
    static func normalise(_ path: String) -> String? {
        guard path.hasPrefix("/") || path == "*" else { return nil }
        let buffer = Buffer(capacity: path.utf8.count + 1)
        buffer.append(path)
        let normal = buffer.withMutableReadable { text in
            PathNormalForm.normalise(Slice(0, text.count), in: &text)
        }
        return normal.map { slice in buffer.withReadable { $0.extracting(slice.range).text } }
    }

    func run() throws {
        let loaded = try options.load()
        let table = loaded.table
        let speakers = loaded.configuration.allListeners.filter { ($0.mqtt != nil) == mqtt }.map(\.name)
        guard let name = listener ?? speakers.first else {
            throw ValidationError(mqtt ? "no listener of this configuration speaks MQTT: give one 'mqtt: {}', or name another file with --config" : "no listener speaks HTTP")
        }
        guard let number = table.listeners.firstIndex(of: name) else {
            throw ValidationError("unknown listener '\(name)': there are \(table.listeners.joined(separator: ", "))")
        }
        if mqtt { return try explainMQTT(table, listener: name, UInt16(number)) }
        let target = path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let normal = ExplainCommand.normalise(target.first.map(String.init) ?? "") else {
            throw ValidationError("'\(path)' is not a path")
        }
        var request = RequestSketch()
        request.setMethod(method)
        request.setPath(normal)
        if target.count > 1 { request.setQuery(String(target[1])) }
        request.setHost(host)
        for header in headers where !request.addField(header) {
            throw ValidationError("'\(header)' is not a header field: write 'Name: value'")
        }
        var explanation = table.explain(request.head, in: request.text.span, listener: UInt16(number))
        if explanation.match == .none, request.becomesCall() {
            explanation = table.explain(request.head, in: request.text.span, listener: UInt16(number))
        }
        print("\(method) \(normal)  (host \(request.hostText), listener \(name))\n")
        print(explanation.render(table), terminator: "")
        if explanation.chosen == nil { throw ExitCode(1) }
    }

    private func explainMQTT(_ table: RouteTable, listener name: String, _ number: UInt16) throws {
        guard let action = MQTTAction(rawValue: method) else {
            throw ValidationError("'\(method)' is not connect, publish or subscribe")
        }
        var request = RequestSketch()
        request.setAction(action, path)
        for header in headers where !request.addField(header, ofMQTT: true) {
            throw ValidationError("'\(header)' is not a user property: write 'name: value'")
        }
        let explanation = table.explain(request.head, in: request.text.span, listener: number)
        print("\(action) \(path)  (listener \(name))\n")
        print(explanation.render(table), terminator: "")
        if explanation.chosen == nil { throw ExitCode(1) }
    }
}

/// A request that was never on a wire: a head and the text it points into, as a codec would leave them.
struct RequestSketch {
    private(set) var head = Head()
    private(set) var text: [UInt8] = []
    private(set) var hostText = ""

    mutating func setMethod(_ method: String) {
        head.method = store(method)
        head.verb = Verb.allCases.first { $0.token == method } ?? .other
    }

    mutating func setPath(_ path: String) { head.path = store(path) }

    /// What an MQTT client does, as its exchange would have it.
    mutating func setAction(_ action: MQTTAction, _ text: String) {
        head.dialect = .mqtt
        head.verb = action.verb
        setPath(TopicPath.path(of: text, isFilter: action == .subscribe))
    }

    mutating func setQuery(_ query: String) {
        head.query = store(query)
        head.hasQuery = true
    }

    /// A POST that no route of plain HTTP takes is looked at once more as a call of a gRPC method.
    mutating func becomesCall() -> Bool {
        guard head.verb == .post, head.dialect == .http else { return false }
        head.dialect = .connect
        return true
    }

    mutating func setHost(_ host: String) {
        hostText = host
        head.authority = store(host)
    }

    /// Takes `Name: value`. `Host` sets the authority and a gRPC content type the dialect. False when
    /// there is no name.
    /// - Parameter ofMQTT: a user property, which is a field and no more.
    mutating func addField(_ line: String, ofMQTT: Bool = false) -> Bool {
        guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else { return false }
        let name = String(line[..<colon])
        let value = RequestSketch.trim(line[line.index(after: colon)...])
        let nameText = store(name)
        let field = FieldName.intern(Array(name.utf8).span)
        head.fields.append(Field(name: field, nameText: nameText, value: store(value)))
        if ofMQTT { return true }
        if field == .host { setHost(value) }
        if field == .contentType {
            head.dialect = Dialect(contentType: Array(value.utf8).span)
        }
        return true
    }

    private static func trim(_ text: Substring) -> String {
        let front = text.drop { $0 == " " || $0 == "\t" }
        return String(front.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }

    private mutating func store(_ string: String) -> Slice {
        let start = text.count
        text += Array(string.utf8)
        return Slice(start, text.count)
    }
}

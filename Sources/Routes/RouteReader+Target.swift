import Exchanges
import Settings

extension RouteReader {
    /// `target` or `fallback`: exactly one of the kinds. Nil when it is missing or wrong.
    func readTarget(_ route: Fields, _ key: String, _ label: String, of action: MQTTAction?) -> TargetDefinition? {
        guard let fields = route.fields(key, "the \(key) of a route") else { return nil }
        let kinds = ["cluster", "command", "query", "operation", "fixed", "topics"]
        let given = kinds.filter { fields.value($0) != nil }
        fields.finish()
        guard given.count == 1, let kind = given.first, let value = fields.value(kind) else {
            diagnostics.error(
                at: fields.position, "the \(key) of \(label) must be exactly one of \(kinds.joined(separator: ", "))")
            return nil
        }
        if kind == "fixed" { return readFixed(Fields(value, "a fixed answer", diagnostics)).map { .fixed($0) } }
        if kind == "topics" { return readTopics(value, of: action) }
        guard let name = value.string(kind, diagnostics) else { return nil }
        func number(in names: [String]) -> UInt16? {
            if let index = names.firstIndex(of: name) { return UInt16(exactly: index) }
            diagnostics.error(at: value.position, "unknown \(kind) '\(name)'" + Spelling.hint(name, among: names))
            return nil
        }
        switch kind {
        case "cluster": return number(in: configuration.clusters.map(\.name)).map { .cluster(name, $0) }
        case "command" where name.hasPrefix("{") && name.hasSuffix("}"): return .anyCommand(String(name.dropFirst().dropLast()))
        case "command": return number(in: vocabulary.commands).map { .command(name, $0) }
        case "query": return number(in: vocabulary.queries).map { .query(name, $0) }
        default:
            return number(in: Operation.allCases.map { "\($0)" }).map { .operation(Operation.allCases[Int($0)]) }
        }
    }

    private func readFixed(_ fields: Fields) -> FixedAnswer? {
        guard let status = fields.integer("status", in: 200...599) else {
            if !fields.has("status") { diagnostics.error(at: fields.position, "a fixed answer needs a status") }
            return nil
        }
        let body = fields.string("body") ?? ""
        let type = fields.string("content_type") ?? (body.isEmpty ? "" : "text/plain; charset=utf-8")
        if !HeaderRules.isValue(type) {
            diagnostics.error(at: fields.position(of: "content_type"), "'\(type)' is not a content type")
        }
        if !body.isEmpty, [204, 205, 304].contains(status) {
            diagnostics.error(at: fields.position(of: "body"), "an answer with status \(status) has no body")
        }
        var headers: [FixedAnswer.Header] = []
        if let section = fields.fields("headers", "the headers of a fixed answer") {
            for (name, value, position) in readFields(section) {
                if name == "content-type" {
                    diagnostics.error(at: position, "write 'content_type' instead")
                }
                headers.append(FixedAnswer.Header(name: Array(name.utf8), value: Array(value.utf8)))
            }
        }
        fields.finish()
        return FixedAnswer(
            status: UInt16(status), body: Array(body.utf8), contentType: Array(type.utf8), headers: headers)
    }

    /// `name: value` pairs a route may write; names in lower case.
    func readFields(_ section: Fields) -> [(name: String, value: String, position: SourcePosition)] {
        section.named().compactMap { entry in
            guard let name = writableName(entry.key, at: entry.position) else { return nil }
            guard let text = entry.value.string(entry.key, diagnostics) else { return nil }
            guard HeaderRules.isValue(text) else {
                diagnostics.error(
                    at: entry.value.position,
                    "the value of '\(name)' has control characters, white space at an end, or more than 8192 bytes")
                return nil
            }
            return (name, text, entry.position)
        }
    }

    /// `text` in lower case when a route may write a field of that name; else nil, reported.
    func writableName(_ text: String, at position: SourcePosition) -> String? {
        let name = text.lowercased()
        guard HeaderRules.isName(name) else {
            diagnostics.error(at: position, "'\(text)' is not a header name")
            return nil
        }
        guard !HeaderRules.protected.contains(name) else {
            diagnostics.error(
                at: position,
                "'\(name)' belongs to the connection, not to a route" + (name == "host" ? "; see the route's 'host'" : ""))
            return nil
        }
        return name
    }
}

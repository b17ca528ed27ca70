import Contracts

/// What of a new JSON Schema breaks those who know an old one: requests that it no longer takes, answers that the old
/// one did not have. By form, not by proof: two ways to say the same thing are two things where it cannot tell.
struct SchemaChanges {
    private let old: JSONValue
    private let new: JSONValue
    /// `requestBody`, `response 202` …
    private let label: String
    private let isRequest: Bool
    private(set) var found: [String] = []
    /// References that are being compared, or were.
    private var seen: Set<String> = []
    /// Schemas that are still looked at: alternatives are tried with each other.
    private var left = 100_000
    /// Schemas in each other, by reference or as they are written.
    private var depth = 0
    private static let deepest = 100

    init(old: JSONValue, new: JSONValue, label: String, isRequest: Bool) {
        self.old = old
        self.new = new
        self.label = label
        self.isRequest = isRequest
    }

    mutating func compare(_ before: JSONValue, _ after: JSONValue, _ path: [String]) {
        guard left > 0, depth < SchemaChanges.deepest else {
            // Whatever else there is: it is not held to be harmless.
            let text = "\(label) is too large to compare; old clients may know another one: publish it anew"
            if !found.contains(text) { found.append(text) }
            return
        }
        depth += 1
        defer { depth -= 1 }
        left -= 1
        if let one = before["$ref"]?.text, let other = after["$ref"]?.text, !seen.insert("\(one) \(other)").inserted { return }
        let (before, after) = (resolved(before, old), resolved(after, new))
        // References that go by names are not followed: such a schema is compared as a whole.
        if before != after, before["$id"] != nil || after["$id"] != nil || before["$ref"] != nil || after["$ref"] != nil {
            return report(path, "changed", "it has names in it ($id, $anchor), which is too much to compare: take it back")
        }
        // Everything that is sent must be taken: by the gateway in requests, by clients in answers.
        let (sent, taken) = isRequest ? (before, after) : (after, before)
        if taken == .bool(false), sent != .bool(false) { return report(path, "is refused now", "old clients send it: keep it") }
        guard compareTypes(sent, taken, path) else { return }
        compareValues(sent, taken, path)
        compareBounds(sent, taken, path)
        compareMembers(before, after, path)
        if let items = before["items"] ?? (isRequest ? .bool(true) : nil), let others = after["items"], types(sent).contains("array") {
            compare(items, others, path + ["[]"])
        }
        for name in ["anyOf", "oneOf", "allOf"] { compareAlternatives(name, before, after, path) }
    }

    // MARK: - Keywords

    private static let allTypes: Set<String> = ["null", "boolean", "number", "integer", "string", "array", "object"]

    private func types(_ schema: JSONValue) -> Set<String> {
        guard let type = schema["type"] else { return Self.allTypes }
        var names = Set(type.text.map { [$0] } ?? type.items.compactMap(\.text))
        if names.contains("number") { names.insert("integer") }
        return names
    }

    /// - Returns: false = nothing else can be said.
    private mutating func compareTypes(_ sent: JSONValue, _ taken: JSONValue, _ path: [String]) -> Bool {
        let (mine, theirs) = (types(sent), types(taken))
        guard !mine.isSubset(of: theirs) else { return true }
        let (from, to) = isRequest ? (mine, theirs) : (theirs, mine)
        func words(_ types: Set<String>) -> String {
            types == Self.allTypes ? "anything" : types.subtracting(types.contains("number") ? ["integer"] : []).sorted().joined(separator: " or ")
        }
        report(path, "type changed from \(words(from)) to \(words(to))", "old clients know the first: take it back, or use another name")
        return false
    }

    private mutating func compareValues(_ sent: JSONValue, _ taken: JSONValue, _ path: [String]) {
        func values(_ schema: JSONValue) -> [JSONValue]? { schema["const"].map { [$0] } ?? schema["enum"].map(\.items) }
        guard let allowed = values(taken) else { return }
        guard let mine = values(sent) else {
            return report(path, isRequest ? "takes listed values only" : "may have any value", "old clients know others: take it back")
        }
        let odd = mine.filter { !allowed.contains($0) }
        guard !odd.isEmpty else { return }
        let text = odd.prefix(4).map { $0.text ?? "a value" }.joined(separator: ", ")
        report(
            path, isRequest ? "no longer takes \(text)" : "may now be \(text)",
            isRequest ? "old clients send it: keep it" : "old clients do not know it: take it back")
    }

    private mutating func compareBounds(_ sent: JSONValue, _ taken: JSONValue, _ path: [String]) {
        func number(_ value: JSONValue?) -> Double? {
            guard case .number(let text) = value else { return nil }
            return Double(text)
        }
        for (keyword, isLeast) in [
            ("minimum", true), ("exclusiveMinimum", true), ("minLength", true), ("minItems", true), ("minProperties", true),
            ("maximum", false), ("exclusiveMaximum", false), ("maxLength", false), ("maxItems", false), ("maxProperties", false),
        ] {
            guard let bound = number(taken[keyword]) else { continue }
            if isLeast, keyword != "minimum", keyword != "exclusiveMinimum", bound == 0 { continue }
            if let mine = number(sent[keyword]), isLeast ? mine >= bound : mine <= bound { continue }
            report(
                path, isRequest ? "'\(keyword)' is narrower" : "'\(keyword)' is wider",
                isRequest ? "old clients send what is beyond: take it back" : "old clients do not expect what is beyond: take it back")
        }
        // What only takes away may go, but not come or change.
        for keyword in [
            "pattern", "format", "multipleOf", "not", "if", "then", "else", "contentEncoding", "contains", "uniqueItems", "propertyNames",
            "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties", "maxContains",
        ] {
            if let mine = taken[keyword], mine != .bool(keyword != "uniqueItems"), sent[keyword] != mine {
                report(path, "'\(keyword)' changed", "old clients know the first: take it back")
            }
        }
        // What says to whom other keywords apply makes them wider by going, and narrower.
        for keyword in ["patternProperties", "prefixItems", "minContains", "$dynamicRef"] where taken[keyword] != sent[keyword] {
            report(path, "'\(keyword)' changed", "old clients know the first: take it back")
        }
    }

    private mutating func compareMembers(_ before: JSONValue, _ after: JSONValue, _ path: [String]) {
        func required(_ schema: JSONValue) -> [String] { (schema["required"]?.items ?? []).compactMap(\.text) }
        let (was, now) = (required(before), required(after))
        if isRequest {
            for name in now where !was.contains(name) {
                report(path + [name], "became required", "old clients do not send it: make it optional")
            }
        } else {
            for name in was where !now.contains(name) && after["properties"]?[name] != nil {
                report(path + [name], "is no longer always there", "old clients read it: keep it")
            }
        }
        let properties = after["properties"]
        for member in before["properties"]?.members ?? [] {
            if let other = properties?[member.name] {
                compare(member.value, other, path + [member.name])
            } else if let others = after["additionalProperties"], others != .bool(false), before["additionalProperties"] != nil, isRequest {
                compare(member.value, others, path + [member.name])
            } else {
                report(path + [member.name], "removed", isRequest ? "old clients send it: keep it" : "old clients read it: keep it")
            }
        }
        guard let others = after["additionalProperties"], isRequest || before["additionalProperties"] != nil else { return }
        let known = before["additionalProperties"] ?? .bool(true)
        if others == .bool(false), known != .bool(false), isRequest {
            guard types(before).contains("object") else { return }
            report(path, "takes no other members any more", "old clients may send them: allow them")
        } else if others != .bool(false), known != .bool(false) {
            compare(known, others, path + ["*"])
        }
    }

    // MARK: - Alternatives

    private mutating func compareAlternatives(_ name: String, _ before: JSONValue, _ after: JSONValue, _ path: [String]) {
        let (mine, theirs) = (before[name]?.items, after[name]?.items)
        guard mine != nil || theirs != nil else { return }
        if name == "allOf" {
            // Each part of what is taken has to be a part of what is sent.
            let (sent, taken) = (isRequest ? mine : theirs, isRequest ? theirs : mine)
            guard let taken else { return }
            if let sent, sent.count == taken.count, let mine, let theirs {
                for (one, other) in zip(mine, theirs) { compare(one, other, path) }
            } else {
                report(path, "'allOf' changed", "old clients know the first: take it back")
            }
            return
        }
        let sent = (isRequest ? mine : theirs) ?? [(isRequest ? before : after).setting(name, nil)]
        guard let taken = isRequest ? theirs : mine else { return }
        if sent.count == 1, taken.count == 1, let mine, let theirs { return compare(mine[0], theirs[0], path) }
        for one in sent {
            var fits = false
            for other in taken where !fits {
                var trial = self
                trial.found = []
                if isRequest { trial.compare(one, other, path) } else { trial.compare(other, one, path) }
                left = trial.left
                fits = trial.found.isEmpty
            }
            if !fits {
                return report(
                    path, isRequest ? "no longer takes one of its alternatives" : "has an alternative that it had not",
                    "old clients know the others: take it back")
            }
        }
    }

    // MARK: - Words

    private mutating func report(_ path: [String], _ change: String, _ consequence: String) {
        let subject = path.isEmpty ? label : "\(label) property '\(path.joined(separator: "."))'"
        found.append("\(subject) \(change); \(consequence)")
    }

    /// What a reference leads to, with what stands beside it.
    private func resolved(_ schema: JSONValue, _ document: JSONValue) -> JSONValue {
        var schema = schema
        for _ in 0..<32 {
            guard let reference = schema["$ref"]?.text else { return schema }
            guard reference.hasPrefix("#/") else { return schema }
            var target: JSONValue? = document
            for step in reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) {
                let name = step.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                    .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
                target = target?[name]
            }
            guard var whole = target else { return .object([]) }
            for member in schema.members where member.name != "$ref" { whole = whole.setting(member.name, member.value) }
            schema = whole
        }
        return .object([])
    }
}

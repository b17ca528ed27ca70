public import Contracts

/// What of a new description breaks the clients of an old one (both OpenAPI 3.1).
public enum APIChanges {
    public struct Change: Sendable, Equatable {
        /// Where in the old one, RFC 6901: its operation, or its path.
        public var pointer: String
        /// What has changed, whom it breaks, and what to do.
        public var text: String
    }

    /// Every change that could make a request fail that was fine, or an answer that could not come. What is only added
    /// is none.
    public static func breaking(from old: JSONValue, to new: JSONValue) -> [Change] {
        var found: [Change] = []
        let paths = new["paths"]?.members ?? []
        for (name, item) in (old["paths"]?.members ?? []).map({ ($0.name, $0.value) }) {
            let place = "/paths/" + escaped(name)
            guard let other = paths.first(where: { nameless($0.name) == nameless(name) })?.value else {
                found.append(Change(pointer: place, text: "path removed; old clients ask for it: keep its route"))
                continue
            }
            for method in APIPaths.methods {
                guard let operation = item[method] else { continue }
                guard let next = other[method] else {
                    found.append(Change(pointer: "\(place)/\(method)", text: "method removed; old clients use it: keep its route"))
                    continue
                }
                var changes = OperationChanges(old: old, new: new)
                changes.compare(operation, next)
                found += changes.found.map { Change(pointer: "\(place)/\(method)", text: $0) }
            }
        }
        return found
    }

    /// A path without the names of its parameters: they are nobody's business.
    private static func nameless(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { $0.hasPrefix("{") ? "{}" : $0 }.joined(separator: "/")
    }

    private static func escaped(_ name: String) -> String {
        JSONError.pointer("", Array(name.utf8)).dropFirst().description
    }
}

/// What of one operation breaks its clients.
struct OperationChanges {
    private let old: JSONValue
    private let new: JSONValue
    private(set) var found: [String] = []

    init(old: JSONValue, new: JSONValue) {
        self.old = old
        self.new = new
    }

    mutating func compare(_ operation: JSONValue, _ next: JSONValue) {
        compareParameters(operation["parameters"]?.items ?? [], next["parameters"]?.items ?? [])
        compareBodies(operation["requestBody"], next["requestBody"])
        compareAnswers(operation["responses"]?.members ?? [], next["responses"]?.members ?? [])
        compareSecurity(operation["security"], next["security"])
    }

    // MARK: - Requests

    private mutating func compareParameters(_ before: [JSONValue], _ after: [JSONValue]) {
        func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
            guard a["in"] == b["in"] else { return false }
            let (one, other) = (a["name"]?.text ?? "", b["name"]?.text ?? "")
            return a["in"]?.text == "header" ? one.lowercased() == other.lowercased() : one == other
        }
        // Those of the path are told by their place in it.
        let (given, taken) = (before.filter { $0["in"]?.text == "path" }, after.filter { $0["in"]?.text == "path" })
        for (parameter, other) in zip(given, taken) {
            compareSchemas(parameter["schema"], other["schema"], "parameter '\(parameter["name"]?.text ?? "")'", isRequest: true)
        }
        for parameter in before where parameter["in"]?.text != "path" {
            let label = "\(parameter["in"]?.text ?? "") parameter '\(parameter["name"]?.text ?? "")'"
            guard let other = after.first(where: { isSame($0, parameter) }) else {
                found.append("\(label) removed; what old clients say by it is no longer heard: keep it")
                continue
            }
            compareSchemas(parameter["schema"], other["schema"], label, isRequest: true)
        }
        for parameter in after where parameter["in"]?.text != "path" && parameter["required"] == .bool(true) {
            if before.first(where: { isSame($0, parameter) })?["required"] == .bool(true) { continue }
            found.append(
                "\(parameter["in"]?.text ?? "") parameter '\(parameter["name"]?.text ?? "")' became required; old clients do not send it: make it optional")
        }
    }

    private mutating func compareBodies(_ before: JSONValue?, _ after: JSONValue?) {
        if after?["required"] == .bool(true), before?["required"] != .bool(true) {
            found.append("requestBody became required; old clients do not send it: make it optional")
        }
        guard let before else { return }
        guard let after else {
            found.append("requestBody removed; what old clients say in it is no longer heard: keep it")
            return
        }
        let content = after["content"]?.members ?? []
        for type in before["content"]?.members ?? [] {
            guard let other = content.first(where: { $0.name == type.name }) ?? content.first(where: { $0.name == "*/*" }) else {
                found.append("requestBody no longer takes \(type.name); old clients send it: keep it")
                continue
            }
            compareSchemas(type.value["schema"], other.value["schema"], "requestBody", isRequest: true)
        }
    }

    // MARK: - Answers

    private mutating func compareAnswers(_ before: [JSONValue.Member], _ after: [JSONValue.Member]) {
        for answer in before where answer.name.hasPrefix("2") || answer.name.hasPrefix("3") {
            let label = "response \(answer.name)"
            guard let other = after.first(where: { $0.name == answer.name }) else {
                found.append("\(label) removed; old clients wait for it: keep it")
                continue
            }
            let headers = other.value["headers"]?.members ?? []
            for header in answer.value["headers"]?.members ?? [] where !headers.contains(where: { $0.name.lowercased() == header.name.lowercased() }) {
                found.append("\(label) header '\(header.name)' removed; old clients read it: keep it")
            }
            let content = other.value["content"]?.members ?? []
            for type in answer.value["content"]?.members ?? [] {
                guard let next = content.first(where: { $0.name == type.name }) else {
                    if type.name != "*/*" { found.append("\(label) is no longer \(type.name); old clients read that: keep it") }
                    continue
                }
                compareSchemas(type.value["schema"], next.value["schema"], label, isRequest: false)
            }
        }
    }

    // MARK: - Who asks

    /// Whoever got in before must get in still, with what he has.
    private mutating func compareSecurity(_ before: JSONValue?, _ after: JSONValue?) {
        func ways(_ security: JSONValue?) -> [Set<String>] {
            let ways = (security?.items ?? []).map { Set($0.members.map(\.name)) }
            return ways.isEmpty ? [[]] : ways
        }
        let taken = ways(after)
        for way in ways(before) where !taken.contains(where: { $0.isSubset(of: way) }) {
            found.append(
                way.isEmpty
                    ? "a credential became required; old clients have none: make it optional"
                    : "the credential '\(way.sorted().joined(separator: "', '"))' is no longer enough; old clients have that: keep it")
        }
    }

    private mutating func compareSchemas(_ before: JSONValue?, _ after: JSONValue?, _ label: String, isRequest: Bool) {
        var changes = SchemaChanges(old: old, new: new, label: label, isRequest: isRequest)
        changes.compare(before ?? .bool(true), after ?? .bool(true), [])
        found += changes.found
    }
}

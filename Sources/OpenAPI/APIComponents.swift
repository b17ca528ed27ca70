import Contracts
import Exchanges

/// What operations share: schemas by name, the problem documents, the ways to say who one is.
struct APIComponents {
    let sources: APIDescription.Sources
    var messages: ProtoJSONSchemas?
    private var schemas: [JSONValue.Member] = []
    private var responses: [UInt16: JSONValue] = [:]
    private var usesBearer = false
    private var usesCertificates = false

    static let place = "#/components/schemas/"

    init(_ sources: APIDescription.Sources) {
        self.sources = sources
        messages = sources.schema.map { ProtoJSONSchemas($0, at: APIComponents.place) }
    }

    // MARK: - Schemas

    /// The schema of a command, without what the path gives.
    /// - Returns: a reference, and whether a body has to be there; nil when nobody has said what it looks like.
    mutating func command(_ name: String, captures: [String]) -> (schema: JSONValue, isRequired: Bool)? {
        guard let document = sources.commands[name] else { return nil }
        let required = (document["required"]?.items ?? []).compactMap(\.text)
        let given = required.filter { captures.contains($0) }
        let left = required.filter { !captures.contains($0) }
        let key = (["command", name] + given).joined(separator: ".")
        return (add(key, given.isEmpty ? document : document.setting("required", left.isEmpty ? nil : .texts(left))), !left.isEmpty)
    }

    /// The schema in a file.
    mutating func file(_ path: String) -> JSONValue? {
        guard let document = sources.files[path] else { return nil }
        var name = String(path.split(separator: "/").last ?? "body")
        if name.hasSuffix(".json") { name.removeLast(5) }
        let key = "body." + String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
        // Files of one name in several folders.
        var unique = key
        var number = 2
        while let taken = schemas.first(where: { $0.name == unique }), taken.value != moved(document, to: unique) {
            unique = "\(key).\(number)"
            number += 1
        }
        return add(unique, document)
    }

    /// The schema under a name of our own.
    mutating func add(_ key: String, _ document: JSONValue) -> JSONValue {
        if !schemas.contains(where: { $0.name == key }) { schemas.append(JSONValue.Member(key, moved(document, to: key))) }
        return .reference(APIComponents.place + key)
    }

    /// The schema as a part of the document: its references lead to where it stands now. One that has names in it
    /// (`$anchor`, an `$id` further in) is a document in the document, and keeps an `$id` for them to be relative to.
    private func moved(_ document: JSONValue, to key: String) -> JSONValue {
        let whole = document.setting("$schema", nil)
        let named = whole.setting("$id", nil)
        guard APIComponents.hasNames(named) else { return renamed(named, to: APIComponents.place + key) }
        let id = document["$id"]?.text
        let isTaken = id.map { id in schemas.contains { $0.name != key && $0.value["$id"]?.text == id } } ?? true
        return isTaken ? whole.setting("$id", .string("urn:nexus-gateway:schema:\(key)")) : whole
    }

    /// Are there references that go by a name instead of a place?
    private static func hasNames(_ value: JSONValue) -> Bool {
        switch value {
        case .array(let items): items.contains { hasNames($0) }
        case .object(let members):
            members.contains { member in
                switch member.name {
                case "$id", "$anchor", "$dynamicAnchor", "$dynamicRef": member.value.text != nil
                case "$ref": member.value.text.map { $0 != "#" && !$0.hasPrefix("#/") } ?? false
                default: hasNames(member.value)
                }
            }
        default: false
        }
    }

    private func renamed(_ value: JSONValue, to place: String) -> JSONValue {
        switch value {
        case .array(let items): return .array(items.map { renamed($0, to: place) })
        case .object(let members):
            return .object(
                members.map { member in
                    if member.name == "$ref", let text = member.value.text, text.hasPrefix("#") , !text.hasPrefix(APIComponents.place) {
                        return JSONValue.Member("$ref", .string(place + text.dropFirst()))
                    }
                    return JSONValue.Member(member.name, renamed(member.value, to: place))
                })
        default: return value
        }
    }

    // MARK: - Errors

    /// The answer of the gateway's own with this status.
    mutating func problem(_ status: UInt16) -> JSONValue {
        if responses[status] == nil { responses[status] = APIProblems.response(status) }
        return .reference("\(APIProblems.place)problem-\(status)")
    }

    private static var problemSchema: JSONValue {
        func text(_ description: String) -> JSONValue { .members(["type": .string("string"), "description": .string(description)]) }
        let codes = Set(Code.allCases.filter { $0 != .ok && $0 != .accepted }.map { "\($0.name)" }).sorted()
        return .members([
            "type": .string("object"), "description": .string("A problem document (RFC 9457)."),
            "properties": .members([
                "type": text("about:blank"), "title": text("What the status says."),
                "status": .members(["type": .string("integer"), "minimum": .integer(400), "maximum": .integer(599)]),
                "detail": text("For people."), "code": .members(["type": .string("string"), "enum": .texts(codes)]),
                "grpcStatus": text("How the call ended that this is the end of."), "requestId": text("As in the log."),
                "correlationId": text("As in the log."), "decisionId": text("Of the policy that has refused."),
                "fields": .members([
                    "type": .string("array"),
                    "items": .members([
                        "type": .string("object"),
                        "properties": .members(["field": text("A JSON Pointer (RFC 6901)."), "error": text("What is wrong there.")]),
                        "required": .texts(["field", "error"]),
                    ]),
                ]),
            ]),
            "required": .texts(["type", "title", "status", "code", "requestId"]),
        ])
    }

    // MARK: - Who asks

    /// `security` of an operation: any of these will do.
    mutating func security(bearer: Bool, certificate: Bool, nothing: Bool) -> JSONValue {
        usesBearer = usesBearer || bearer
        usesCertificates = usesCertificates || certificate
        var ways: [JSONValue] = []
        if nothing { ways.append(.object([])) }
        if certificate { ways.append(.members(["certificate": .array([])])) }
        if bearer { ways.append(.members(["bearer": .array([])])) }
        return .array(ways)
    }

    var document: JSONValue {
        var all = schemas + (messages?.documents ?? [])
        all.append(JSONValue.Member("Problem", APIComponents.problemSchema))
        var schemes: [JSONValue.Member] = []
        if usesBearer {
            schemes.append(
                JSONValue.Member(
                    "bearer", .members(["type": .string("http"), "scheme": .string("bearer"), "bearerFormat": .string("JWT")])))
        }
        if usesCertificates { schemes.append(JSONValue.Member("certificate", .members(["type": .string("mutualTLS")]))) }
        let problems = [JSONValue.Member(APIProblems.other, APIProblems.otherResponse)]
            + responses.sorted { $0.key < $1.key }.map { JSONValue.Member("problem-\($0.key)", $0.value) }
        return .members([
            "schemas": .object(all.sorted { $0.name < $1.name }), "responses": .object(problems),
            "securitySchemes": schemes.isEmpty ? nil : .object(schemes),
        ])
    }
}

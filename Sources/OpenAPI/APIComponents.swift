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

    /// The schema as a part of the document: its references lead to where it stands now.
    private func moved(_ document: JSONValue, to key: String) -> JSONValue {
        let whole = document.setting("$schema", nil).setting("$id", nil)
        return renamed(whole, to: APIComponents.place + key)
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
        if responses[status] == nil {
            let codes = Set(Code.allCases.filter { $0.httpStatus == status }.map { "\($0.name)" }).sorted()
            var headers: [JSONValue.Member] = []
            if [429, 503].contains(status) { headers.append(JSONValue.Member("Retry-After", APIHeaders.retryAfter)) }
            if status == 401 { headers.append(JSONValue.Member("WWW-Authenticate", APIHeaders.challenge)) }
            responses[status] = .members([
                "description": .string(codes.isEmpty ? "An error." : codes.joined(separator: ", ")),
                "headers": headers.isEmpty ? nil : .object(headers),
                "content": .members(["application/problem+json": .members(["schema": .reference(APIComponents.place + "Problem")])]),
            ])
        }
        return .reference("#/components/responses/problem-\(status)")
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
        let problems = responses.sorted { $0.key < $1.key }.map { JSONValue.Member("problem-\($0.key)", $0.value) }
        return .members([
            "schemas": .object(all.sorted { $0.name < $1.name }), "responses": problems.isEmpty ? nil : .object(problems),
            "securitySchemes": schemes.isEmpty ? nil : .object(schemes),
        ])
    }
}

/// Fields of answers.
enum APIHeaders {
    static func field(_ description: String, _ type: String = "string") -> JSONValue {
        .members(["description": .string(description), "schema": .members(["type": .string(type)])])
    }

    static let retryAfter = field("Seconds.", "integer")
    static let challenge = field("RFC 6750.")
    static let entityTag = field("The version, in quotes.")
    static let rateLimit = field("What is left of the budgets.")
    static let rateLimitPolicy = field("The budgets.")
    static let replayed = field("`true`: the answer of an earlier request with this key.")
}

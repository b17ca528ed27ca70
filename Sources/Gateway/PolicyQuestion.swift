import Contracts
import EventCore
import Exchanges
import Pipeline

/// What an Open Policy Agent is told: `{"input": {"method", "path", "route", "parameters": {…}, "principal":
/// {"kind", "subject", "issuer", "roles": […], "scopes": […], "claims": {…}}}}`. Never a credential, the query or the
/// body.
struct PolicyQuestion: Sendable {
    let body: [UInt8]
    let correlationId: String
    let traceparent: String

    /// - Parameters:
    ///   - route: its name.
    ///   - parameters: of the path, percent-decoded.
    init(_ exchange: Exchange, _ principal: Principal, route: [UInt8], parameters: [(name: String, value: [UInt8])]) {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let head = exchange.head
        let (method, path) =
            exchange.text?.withReadable { (text($0.extracting(head.method.range).bytes), text($0.extracting(head.path.range).bytes)) }
            ?? ("", "")
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("input")
        json.beginObject()
        func member(_ name: StaticString, _ value: String) {
            json.name(name)
            json.string(value)
        }
        func list(_ name: StaticString, _ values: [[UInt8]]) {
            json.name(name)
            json.beginArray()
            for value in values { json.string(text(value)) }
            json.endArray()
        }
        func map(_ name: StaticString, _ entries: [(name: String, value: String)]) {
            json.name(name)
            json.beginObject()
            for entry in entries {
                json.name(entry.name)
                json.string(entry.value)
            }
            json.endObject()
        }
        // What MQTT clients publish goes on as POST, and is not asked about as that.
        member("method", head.verb == .publish ? "PUBLISH" : method)
        member("path", path)
        member("route", text(route))
        map("parameters", parameters.map { ($0.name, text($0.value)) })
        json.name("principal")
        json.beginObject()
        member("kind", "\(principal.kind)")
        member("subject", text(principal.subject))
        member("issuer", text(principal.issuer))
        list("roles", principal.roles)
        list("scopes", principal.scopes)
        map("claims", principal.claims.map { (text($0.name), text($0.value)) })
        json.endObject()
        json.endObject()
        json.endObject()
        body = json.sink
        let metadata = exchange.metadata
        correlationId = metadata.correlationId ?? ""
        traceparent = metadata.traceparent ?? ""
    }
}

/// What an agent's answer says: `{"result": true}` or `{"result": {"allow": true, …}}`.
enum PolicyAnswer {
    /// Bytes of it.
    static let most = 64 << 10

    /// Anything but a plain yes or no is none: a failure, another status, no JSON, no decision of that name.
    static func read(_ answer: OutboundAnswer) -> AccessMark.Opinion {
        guard case .answered(status: 200, _, let body) = answer, body.count <= most,
            let result = (try? JSONValue(body.span))?["result"]
        else { return .unavailable }
        switch result {
        case .bool(let isAllowed): return isAllowed ? .allowed : .denied
        case .object:
            guard case .bool(let isAllowed)? = result["allow"] else { return .unavailable }
            return isAllowed ? .allowed : .denied
        case .null, .number, .string, .array: return .unavailable
        }
    }
}

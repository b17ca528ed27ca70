import Contracts
import Exchanges

/// The gateway's own answers where something is wrong: one for each status, and one for whatever else there is.
enum APIProblems {
    /// What an operation refers to.
    static let place = "#/components/responses/"
    static let other = "problem"

    /// The codes that an answer with this status may have (SPEC: one table of errors for all protocols).
    static func codes(_ status: UInt16) -> [String] {
        var codes = Code.allCases.filter { $0 != .ok && $0 != .accepted && $0 != .cancelled && $0.httpStatus == status }
        switch status {
        case 408: codes = [.deadline]
        case 412: codes = [.versionConflict]
        case 414, 417, 431: codes = [.validationError]
        case 415: codes = [.validationError, .unsupported]
        default: break
        }
        return Set(codes.map { "\($0.name)" }).sorted()
    }

    /// With a schema that says which codes there are.
    static func response(_ status: UInt16) -> JSONValue {
        let codes = codes(status)
        var fields: [APIHeaders.Field] = [APIHeaders.correlation]
        switch status {
        case 401: fields.append(APIHeaders.challenge)
        case 403: fields.append(APIHeaders.scopeChallenge)
        case 405: fields.append(APIHeaders.allow)
        case 429: fields += [APIHeaders.retryAfter, APIHeaders.rateLimit, APIHeaders.rateLimitPolicy]
        case 502, 504: fields.append(APIHeaders.proxyStatus)
        case 503: fields += [APIHeaders.retryAfter, APIHeaders.proxyStatus]
        default: break
        }
        let narrowed = JSONValue.members([
            "allOf": .array([.reference(APIComponents.place + "Problem")]),
            "properties": .members([
                "status": .members(["const": .integer(status)]), "code": codes.isEmpty ? nil : .members(["enum": .texts(codes)]),
            ]),
        ])
        return response(codes.isEmpty ? "An error." : codes.joined(separator: ", "), fields, narrowed)
    }

    /// Of a status that is not listed.
    static var otherResponse: JSONValue {
        response("Any other error.", [APIHeaders.correlation], .reference(APIComponents.place + "Problem"))
    }

    private static func response(_ description: String, _ fields: [APIHeaders.Field], _ schema: JSONValue) -> JSONValue {
        .members([
            "description": .string(description), "headers": APIHeaders.object(fields),
            "content": .members(["application/problem+json": .members(["schema": schema])]),
        ])
    }
}

import Contracts

/// Fields of answers.
enum APIHeaders {
    typealias Field = (name: String, value: JSONValue)

    private static func field(_ description: String, _ schema: JSONValue = .members(["type": .string("string")]), isSure: Bool = false) -> JSONValue {
        .members(["description": .string(description), "required": isSure ? .bool(true) : nil, "schema": schema])
    }

    static let retryAfter: Field = ("Retry-After", field("Seconds.", .members(["type": .string("integer"), "minimum": .integer(0)])))
    static let challenge: Field = ("WWW-Authenticate", field("RFC 6750.", isSure: true))
    static let scopeChallenge: Field = ("WWW-Authenticate", field("Where scopes are missing (RFC 6750)."))
    static let proxyStatus: Field = ("Proxy-Status", field("What has failed behind the gateway (RFC 9209)."))
    static let allow: Field = ("Allow", field("The methods there are.", isSure: true))
    static let correlation: Field = ("Correlation-Id", field("The request's, or one made for it; also in the log."))
    static let entityTag: Field = (
        "ETag", field("The version, in quotes.", .members(["type": .string("string"), "pattern": .string(#"^"[0-9]+"$"#)]), isSure: true)
    )
    static let documentTag: Field = ("ETag", field("Changes with the document.", isSure: true))
    static let location: Field = ("Location", field("Where the order is.", .members(["type": .string("string"), "format": .string("uri-reference")]), isSure: true))
    static let preference: Field = ("Preference-Applied", field("`wait=N`, where the request has asked for it (RFC 7240)."))
    static let rateLimit: Field = ("RateLimit", field("What is left of the budget: `name;r=remaining;t=seconds`."))
    static let rateLimitPolicy: Field = ("RateLimit-Policy", field("The budgets."))
    static let replayed: Field = ("Idempotent-Replayed", field("`true`: the answer of an earlier request with this key."))
    static let session: Field = ("Set-Cookie", field("The session that was made for who had none."))

    static func object(_ fields: [Field]) -> JSONValue? {
        fields.isEmpty ? nil : .object(fields.map { JSONValue.Member($0.name, $0.value) })
    }
}

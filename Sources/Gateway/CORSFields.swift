import Exchanges
import Routes

/// The fields by which a browser learns whether a page of another origin may read an answer (Fetch standard,
/// "HTTP responses"). On routes with CORS rules they are the gateway's alone.
enum CORSFields {
    /// Is it one that an upstream must not write here?
    @inline(__always) static func isOwn(_ field: Field, _ text: borrowing Span<UInt8>) -> Bool {
        guard field.name == .other, field.nameText.count > 15 else { return false }
        let start = Int(field.nameText.start)
        return text.extracting(start..<(start + 15)).equalsIgnoringCase("access-control-")
    }

    /// An answer's. What is the same for every origin is said to all; else caches must keep answers apart.
    static func write(_ policy: CORSPolicy, _ request: borrowing Head, _ text: borrowing Span<UInt8>, into out: some FieldSink) {
        if !policy.answersAnyOrigin { out.write(.other, "Vary", "vary", Self.origin.span) }
        guard let origin = permitted(policy, request, text) else { return }
        permission(policy, origin, text, into: out)
        let exposed = policy.exposeHeaders
        if !exposed.isEmpty {
            out.write(.other, "Access-Control-Expose-Headers", "access-control-expose-headers", exposed.span)
        }
    }

    /// A preflight's, whether it is allowed or not.
    static func write(_ policy: CORSPolicy, _ preflight: Preflight, _ request: borrowing Head, _ text: borrowing Span<UInt8>, into out: FieldLines) {
        out.write(.other, "Vary", "vary", Self.preflight.span)
        guard preflight.verdict == .allowed, let origin = permitted(policy, request, text) else { return }
        permission(policy, origin, text, into: out)
        let methods = text.extracting(preflight.method.range)
        if let allowed = policy.allowMethods {
            out.write(.other, "Access-Control-Allow-Methods", "access-control-allow-methods", allowed.span)
        } else {
            out.write(.other, "Access-Control-Allow-Methods", "access-control-allow-methods", methods)
        }
        let headers = policy.allowHeaders
        if !headers.isEmpty {
            out.write(.other, "Access-Control-Allow-Headers", "access-control-allow-headers", headers.span)
        }
        let age = policy.maxAge
        if !age.isEmpty { out.write(.other, "Access-Control-Max-Age", "access-control-max-age", age.span) }
    }

    /// The request's one origin, where the rules allow it; empty where they allow every one.
    private static func permitted(_ policy: CORSPolicy, _ request: borrowing Head, _ text: borrowing Span<UInt8>) -> Slice? {
        if policy.answersAnyOrigin { return Slice.none }
        var found: Slice?
        for field in request.fields where field.name == .origin {
            guard found == nil else { return nil }
            found = field.value
        }
        guard let found, policy.allows(origin: text.extracting(found.range)) else { return nil }
        return found
    }

    private static func permission(_ policy: CORSPolicy, _ origin: Slice, _ text: borrowing Span<UInt8>, into out: some FieldSink) {
        if policy.answersAnyOrigin {
            out.write(.other, "Access-Control-Allow-Origin", "access-control-allow-origin", Self.star.span)
        } else {
            out.write(
                .other, "Access-Control-Allow-Origin", "access-control-allow-origin", text.extracting(origin.range))
        }
        if policy.allowsCredentials {
            out.write(.other, "Access-Control-Allow-Credentials", "access-control-allow-credentials", Self.yes.span)
        }
    }

    private static let star = Array("*".utf8)
    private static let yes = Array("true".utf8)
    private static let origin = Array("Origin".utf8)
    private static let preflight = Array(
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers".utf8)
}

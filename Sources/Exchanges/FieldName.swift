/// An interned header field name: the ones the gateway itself reads or removes have a number, all
/// others are `.other` and keep their text. One byte, so that a set of names is one integer test.
public struct FieldName: RawRepresentable, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    // Computed, not stored: a stored constant of another module is reached through a lazy check.
    @inlinable public static var other: FieldName { FieldName(rawValue: 0) }
    @inlinable public static var host: FieldName { FieldName(rawValue: 1) }
    @inlinable public static var connection: FieldName { FieldName(rawValue: 2) }
    @inlinable public static var contentLength: FieldName { FieldName(rawValue: 3) }
    @inlinable public static var transferEncoding: FieldName { FieldName(rawValue: 4) }
    @inlinable public static var te: FieldName { FieldName(rawValue: 5) }
    @inlinable public static var trailer: FieldName { FieldName(rawValue: 6) }
    @inlinable public static var upgrade: FieldName { FieldName(rawValue: 7) }
    @inlinable public static var keepAlive: FieldName { FieldName(rawValue: 8) }
    @inlinable public static var proxyConnection: FieldName { FieldName(rawValue: 9) }
    @inlinable public static var proxyAuthorization: FieldName { FieldName(rawValue: 10) }
    @inlinable public static var proxyAuthenticate: FieldName { FieldName(rawValue: 11) }
    @inlinable public static var expect: FieldName { FieldName(rawValue: 12) }
    @inlinable public static var contentType: FieldName { FieldName(rawValue: 13) }
    @inlinable public static var authorization: FieldName { FieldName(rawValue: 14) }
    @inlinable public static var cookie: FieldName { FieldName(rawValue: 15) }
    @inlinable public static var forwarded: FieldName { FieldName(rawValue: 16) }
    @inlinable public static var xForwardedFor: FieldName { FieldName(rawValue: 17) }
    @inlinable public static var xForwardedProto: FieldName { FieldName(rawValue: 18) }
    @inlinable public static var xForwardedHost: FieldName { FieldName(rawValue: 19) }
    @inlinable public static var xForwardedPort: FieldName { FieldName(rawValue: 20) }
    @inlinable public static var correlationID: FieldName { FieldName(rawValue: 21) }
    @inlinable public static var xCorrelationID: FieldName { FieldName(rawValue: 22) }
    @inlinable public static var traceparent: FieldName { FieldName(rawValue: 23) }
    @inlinable public static var tracestate: FieldName { FieldName(rawValue: 24) }
    @inlinable public static var idempotencyKey: FieldName { FieldName(rawValue: 25) }
    @inlinable public static var accept: FieldName { FieldName(rawValue: 26) }
    @inlinable public static var prefer: FieldName { FieldName(rawValue: 27) }
    @inlinable public static var via: FieldName { FieldName(rawValue: 28) }
    @inlinable public static var date: FieldName { FieldName(rawValue: 29) }
    @inlinable public static var server: FieldName { FieldName(rawValue: 30) }
    @inlinable public static var http2Settings: FieldName { FieldName(rawValue: 31) }
    @inlinable public static var grpcTimeout: FieldName { FieldName(rawValue: 32) }
    @inlinable public static var xRequestID: FieldName { FieldName(rawValue: 33) }
    @inlinable public static var proxyStatus: FieldName { FieldName(rawValue: 34) }
    @inlinable public static var retryAfter: FieldName { FieldName(rawValue: 35) }
    @inlinable public static var location: FieldName { FieldName(rawValue: 36) }
    @inlinable public static var xRealIP: FieldName { FieldName(rawValue: 37) }
    @inlinable public static var setCookie: FieldName { FieldName(rawValue: 38) }
    @inlinable public static var cacheControl: FieldName { FieldName(rawValue: 39) }
    @inlinable public static var origin: FieldName { FieldName(rawValue: 40) }
    @inlinable public static var altSvc: FieldName { FieldName(rawValue: 41) }
    @inlinable public static var ifMatch: FieldName { FieldName(rawValue: 42) }
    @inlinable public static var userAgent: FieldName { FieldName(rawValue: 43) }
    @inlinable public static var rateLimit: FieldName { FieldName(rawValue: 44) }

    /// Lower-case spelling by number; index 0 stands for `.other`.
    public static let spellings: [StaticString] = [
        "", "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "proxy-authorization", "proxy-authenticate", "expect", "content-type", "authorization",
        "cookie", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
        "correlation-id", "x-correlation-id", "traceparent", "tracestate", "idempotency-key", "accept", "prefer",
        "via", "date", "server", "http2-settings", "grpc-timeout", "x-request-id", "proxy-status", "retry-after",
        "location", "x-real-ip", "set-cookie", "cache-control", "origin", "alt-svc", "if-match", "user-agent",
        "ratelimit",
    ]

    /// The number of `name` (any case), or `.other`.
    public static func intern(_ name: borrowing Span<UInt8>) -> FieldName {
        let n = name.count
        guard n > 1 && n < 20 else { return .other }
        let first = name[0].asciiLowercased
        // Straight code by length and first letter: a table look-up here costs more than the compare.
        @inline(__always) func check(_ candidate: FieldName, _ spelling: StaticString, _ name: borrowing Span<UInt8>) -> FieldName {
            name.equalsInPlace(spelling) ? candidate : .other
        }
        switch n {
        case 2: return check(.te, "te", name)
        case 3: return check(.via, "via", name)
        case 4:
            if first == 0x68 { return check(.host, "host", name) }
            return first == 0x64 ? check(.date, "date", name) : .other
        case 6:
            if first == 0x61 { return check(.accept, "accept", name) }
            if first == 0x63 { return check(.cookie, "cookie", name) }
            if first == 0x65 { return check(.expect, "expect", name) }
            if first == 0x73 { return check(.server, "server", name) }
            if first == 0x6f { return check(.origin, "origin", name) }
            return first == 0x70 ? check(.prefer, "prefer", name) : .other
        case 7:
            if first == 0x75 { return check(.upgrade, "upgrade", name) }
            if first == 0x61 { return check(.altSvc, "alt-svc", name) }
            return first == 0x74 ? check(.trailer, "trailer", name) : .other
        case 8: return first == 0x69 ? check(.ifMatch, "if-match", name) : check(.location, "location", name)
        case 9:
            if first == 0x66 { return check(.forwarded, "forwarded", name) }
            if first == 0x72 { return check(.rateLimit, "ratelimit", name) }
            return first == 0x78 ? check(.xRealIP, "x-real-ip", name) : .other
        case 10:
            if first == 0x63 { return check(.connection, "connection", name) }
            if first == 0x6b { return check(.keepAlive, "keep-alive", name) }
            if first == 0x74 { return check(.tracestate, "tracestate", name) }
            if first == 0x73 { return check(.setCookie, "set-cookie", name) }
            if first == 0x75 { return check(.userAgent, "user-agent", name) }
            return .other
        case 11:
            if first == 0x74 { return check(.traceparent, "traceparent", name) }
            return first == 0x72 ? check(.retryAfter, "retry-after", name) : .other
        case 12:
            if first == 0x63 { return check(.contentType, "content-type", name) }
            if first == 0x67 { return check(.grpcTimeout, "grpc-timeout", name) }
            if first == 0x70 { return check(.proxyStatus, "proxy-status", name) }
            return first == 0x78 ? check(.xRequestID, "x-request-id", name) : .other
        case 13:
            if first == 0x61 { return check(.authorization, "authorization", name) }
            return first == 0x63 ? check(.cacheControl, "cache-control", name) : .other
        case 14:
            if name[2].asciiLowercased == 0x72 { return check(.correlationID, "correlation-id", name) }
            if first == 0x68 { return check(.http2Settings, "http2-settings", name) }
            return check(.contentLength, "content-length", name)
        case 15:
            if first == 0x69 { return check(.idempotencyKey, "idempotency-key", name) }
            return first == 0x78 ? check(.xForwardedFor, "x-forwarded-for", name) : .other
        case 16:
            if first == 0x70 { return check(.proxyConnection, "proxy-connection", name) }
            let host = check(.xForwardedHost, "x-forwarded-host", name)
            if host != .other { return host }
            let port = check(.xForwardedPort, "x-forwarded-port", name)
            return port != .other ? port : check(.xCorrelationID, "x-correlation-id", name)
        case 17:
            return first == 0x78
                ? check(.xForwardedProto, "x-forwarded-proto", name)
                : check(.transferEncoding, "transfer-encoding", name)
        case 18: return check(.proxyAuthenticate, "proxy-authenticate", name)
        case 19: return check(.proxyAuthorization, "proxy-authorization", name)
        default: return .other
        }
    }
}

/// A set of interned names; membership is a shift and a test.
public struct FieldNameSet: Sendable, BitwiseCopyable {
    @usableFromInline var bits: UInt64
    public init(_ names: FieldName...) {
        bits = names.reduce(0) { $0 | (1 << UInt64($1.rawValue)) }
    }
    @inlinable public func contains(_ name: FieldName) -> Bool { bits >> UInt64(name.rawValue) & 1 != 0 }
    @inlinable public mutating func insert(_ name: FieldName) { bits |= 1 << UInt64(name.rawValue) }
}

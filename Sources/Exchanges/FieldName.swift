/// An interned header field name: the ones the gateway itself reads or removes have a number, all
/// others are `.other` and keep their text. One byte, so that a set of names is one integer test.
public struct FieldName: RawRepresentable, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let other = FieldName(rawValue: 0)
    public static let host = FieldName(rawValue: 1)
    public static let connection = FieldName(rawValue: 2)
    public static let contentLength = FieldName(rawValue: 3)
    public static let transferEncoding = FieldName(rawValue: 4)
    public static let te = FieldName(rawValue: 5)
    public static let trailer = FieldName(rawValue: 6)
    public static let upgrade = FieldName(rawValue: 7)
    public static let keepAlive = FieldName(rawValue: 8)
    public static let proxyConnection = FieldName(rawValue: 9)
    public static let proxyAuthorization = FieldName(rawValue: 10)
    public static let proxyAuthenticate = FieldName(rawValue: 11)
    public static let expect = FieldName(rawValue: 12)
    public static let contentType = FieldName(rawValue: 13)
    public static let authorization = FieldName(rawValue: 14)
    public static let cookie = FieldName(rawValue: 15)
    public static let forwarded = FieldName(rawValue: 16)
    public static let xForwardedFor = FieldName(rawValue: 17)
    public static let xForwardedProto = FieldName(rawValue: 18)
    public static let xForwardedHost = FieldName(rawValue: 19)
    public static let xForwardedPort = FieldName(rawValue: 20)
    public static let correlationID = FieldName(rawValue: 21)
    public static let xCorrelationID = FieldName(rawValue: 22)
    public static let traceparent = FieldName(rawValue: 23)
    public static let tracestate = FieldName(rawValue: 24)
    public static let idempotencyKey = FieldName(rawValue: 25)
    public static let accept = FieldName(rawValue: 26)
    public static let prefer = FieldName(rawValue: 27)
    public static let via = FieldName(rawValue: 28)
    public static let date = FieldName(rawValue: 29)
    public static let server = FieldName(rawValue: 30)
    public static let http2Settings = FieldName(rawValue: 31)
    public static let grpcTimeout = FieldName(rawValue: 32)
    public static let xRequestID = FieldName(rawValue: 33)
    public static let proxyStatus = FieldName(rawValue: 34)
    public static let retryAfter = FieldName(rawValue: 35)
    public static let location = FieldName(rawValue: 36)
    public static let xRealIP = FieldName(rawValue: 37)
    public static let setCookie = FieldName(rawValue: 38)
    public static let cacheControl = FieldName(rawValue: 39)
    public static let origin = FieldName(rawValue: 40)
    public static let altSvc = FieldName(rawValue: 41)
    public static let ifMatch = FieldName(rawValue: 42)
    public static let userAgent = FieldName(rawValue: 43)

    /// Lower-case spelling by number; index 0 stands for `.other`.
    public static let spellings: [StaticString] = [
        "", "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "proxy-authorization", "proxy-authenticate", "expect", "content-type", "authorization",
        "cookie", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
        "correlation-id", "x-correlation-id", "traceparent", "tracestate", "idempotency-key", "accept", "prefer",
        "via", "date", "server", "http2-settings", "grpc-timeout", "x-request-id", "proxy-status", "retry-after",
        "location", "x-real-ip", "set-cookie", "cache-control", "origin", "alt-svc", "if-match", "user-agent",
    ]

    /// The number of `name` (any case), or `.other`.
    public static func intern(_ name: borrowing Span<UInt8>) -> FieldName {
        let n = name.count
        guard n > 1 && n < 20 else { return .other }
        let first = name[0].asciiLowercased
        // Straight code by length and first letter: a table look-up here costs more than the compare.
        func check(_ candidate: FieldName, _ spelling: StaticString, _ name: borrowing Span<UInt8>) -> FieldName {
            name.equalsIgnoringCase(spelling) ? candidate : .other
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

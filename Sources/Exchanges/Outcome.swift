/// How an exchange ended, as the gateway itself decided it. A proxied answer passes with its own status.
public struct Outcome: Sendable, BitwiseCopyable {
    public var code: Code
    /// The HTTP status where it is finer than the code's own; 0 = the code's own.
    public var status: UInt16
    /// The gRPC status where it is finer than the code's own; 0 = the code's own.
    public var grpc: UInt8
    /// A constant, safe to show: why.
    public var detail: StaticString
    /// 0 = no `Retry-After`.
    public var retryAfterMS: UInt32
    /// What the client is told about credentials; a 401 has at least the bare one.
    public var challenge: Challenge

    public init(
        _ code: Code, status: UInt16 = 0, grpc: UInt8 = 0, _ detail: StaticString = "", retryAfterMS: UInt32 = 0,
        challenge: Challenge = .none
    ) {
        self.code = code
        self.status = status
        self.grpc = grpc
        self.detail = detail
        self.retryAfterMS = retryAfterMS
        self.challenge = challenge
    }

    @inlinable public var httpStatus: UInt16 { status == 0 ? code.httpStatus : status }
}

/// The error of a `WWW-Authenticate` field (RFC 6750 section 3.1). The outcome's detail describes it.
public enum Challenge: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case none
    /// A credential is wanted: nothing was wrong, there was none.
    case bare
    case invalidRequest, invalidToken, insufficientScope

    /// As the field spells it; empty where there is no error.
    public var error: StaticString {
        switch self {
        case .none, .bare: ""
        case .invalidRequest: "invalid_request"
        case .invalidToken: "invalid_token"
        case .insufficientScope: "insufficient_scope"
        }
    }
}

/// The one vocabulary of endings (SPEC 26). A codec owns one table from it to its wire.
public enum Code: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case ok
    case accepted
    case validationError
    case idempotencyKeyRequired
    case idempotencyKeyReused
    case requestInProgress
    case unauthenticated
    case forbidden
    case notFound
    case noRoute
    case methodNotAllowed
    case versionConflict
    case illegalState
    case tooLarge
    case rateLimited
    case upstreamUnavailable
    case badUpstream
    case deadline
    case cancelled
    case unsupported
    case internalError

    /// The name clients see in `code`.
    public var name: StaticString {
        switch self {
        case .ok: "OK"
        case .accepted: "ACCEPTED"
        case .validationError: "VALIDATION_ERROR"
        case .idempotencyKeyRequired: "IDEMPOTENCY_KEY_REQUIRED"
        case .idempotencyKeyReused: "IDEMPOTENCY_KEY_REUSED"
        case .requestInProgress: "REQUEST_IN_PROGRESS"
        case .unauthenticated: "UNAUTHENTICATED"
        case .forbidden: "FORBIDDEN"
        case .notFound: "NOT_FOUND"
        case .noRoute: "NO_ROUTE"
        case .methodNotAllowed: "METHOD_NOT_ALLOWED"
        case .versionConflict: "VERSION_CONFLICT"
        case .illegalState: "ILLEGAL_STATE"
        case .tooLarge: "TOO_LARGE"
        case .rateLimited: "RATE_LIMITED"
        case .upstreamUnavailable, .badUpstream: "UPSTREAM_UNAVAILABLE"
        case .deadline: "DEADLINE"
        case .cancelled: "CANCELLED"
        case .unsupported: "UNSUPPORTED"
        case .internalError: "INTERNAL"
        }
    }

    /// The HTTP status of the error table; a codec may refine it (411, 417, 431, 505 …).
    public var httpStatus: UInt16 {
        switch self {
        case .ok: 200
        case .accepted: 202
        case .validationError, .idempotencyKeyRequired: 400
        case .idempotencyKeyReused: 422
        case .requestInProgress, .versionConflict, .illegalState: 409
        case .unauthenticated: 401
        case .forbidden: 403
        case .notFound, .noRoute: 404
        case .methodNotAllowed: 405
        case .tooLarge: 413
        case .rateLimited: 429
        case .upstreamUnavailable: 503
        case .badUpstream: 502
        case .deadline: 504
        case .cancelled: 499
        case .unsupported: 501
        case .internalError: 500
        }
    }
}

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

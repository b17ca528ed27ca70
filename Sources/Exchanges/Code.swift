// Made by contracts/generate-errors of contracts/errors.json.

/// The one vocabulary of endings (SPEC 26). A codec owns one table from it to its wire.
public enum Code: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Done.
    case ok
    /// On disk, and being carried out.
    case accepted
    /// The message is malformed, or does not say what it must.
    case validationError
    /// The route wants an Idempotency-Key.
    case idempotencyKeyRequired
    /// The key belongs to a request with other content.
    case idempotencyKeyReused
    /// The first request with this key still runs.
    case requestInProgress
    /// The route wants to know who asks, and was not shown.
    case unauthenticated
    /// Who asks may not do this.
    case forbidden
    /// The object does not exist.
    case notFound
    /// Nothing is routed there.
    case noRoute
    /// The path is routed, the method is not.
    case methodNotAllowed
    /// Somebody else was first.
    case versionConflict
    /// Too late, or too early.
    case illegalState
    /// The body is above the route's limit.
    case tooLarge
    /// A limit of this client is used up.
    case rateLimited
    /// Whoever answers has no room or is not there.
    case upstreamUnavailable
    /// The upstream has failed to answer.
    case badUpstream
    /// It took too long; it may have been done.
    case deadline
    /// The client went away.
    case cancelled
    /// A transfer coding, method or form the gateway does not do.
    case unsupported
    /// A fault of the gateway.
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
        case .upstreamUnavailable: "UPSTREAM_UNAVAILABLE"
        case .badUpstream: "UPSTREAM_UNAVAILABLE"
        case .deadline: "DEADLINE"
        case .cancelled: "CANCELLED"
        case .unsupported: "UNSUPPORTED"
        case .internalError: "INTERNAL"
        }
    }

    /// The HTTP status; a codec may refine it (411, 417, 431, 505 …).
    public var httpStatus: UInt16 {
        switch self {
        case .ok: 200
        case .accepted: 202
        case .validationError: 400
        case .idempotencyKeyRequired: 400
        case .idempotencyKeyReused: 422
        case .requestInProgress: 409
        case .unauthenticated: 401
        case .forbidden: 403
        case .notFound: 404
        case .noRoute: 404
        case .methodNotAllowed: 405
        case .versionConflict: 409
        case .illegalState: 409
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

    /// The status of gRPC, as its number.
    /// - Parameter httpStatus: where it is finer than the code's own; else 0.
    public func grpcStatus(httpStatus: UInt16 = 0) -> UInt32 {
        switch self {
        case .ok: 0  // OK
        case .accepted: 0  // OK
        case .validationError: 3  // INVALID_ARGUMENT
        case .idempotencyKeyRequired: 3  // INVALID_ARGUMENT
        case .idempotencyKeyReused: 9  // FAILED_PRECONDITION
        case .requestInProgress: 10  // ABORTED
        case .unauthenticated: 16  // UNAUTHENTICATED
        case .forbidden: 7  // PERMISSION_DENIED
        case .notFound: 5  // NOT_FOUND
        case .noRoute: 12  // UNIMPLEMENTED
        case .methodNotAllowed: 12  // UNIMPLEMENTED
        case .versionConflict where httpStatus == 412: 9  // FAILED_PRECONDITION
        case .versionConflict: 10  // ABORTED
        case .illegalState: 9  // FAILED_PRECONDITION
        case .tooLarge: 8  // RESOURCE_EXHAUSTED
        case .rateLimited: 8  // RESOURCE_EXHAUSTED
        case .upstreamUnavailable: 14  // UNAVAILABLE
        case .badUpstream: 14  // UNAVAILABLE
        case .deadline: 4  // DEADLINE_EXCEEDED
        case .cancelled: 1  // CANCELLED
        case .unsupported: 12  // UNIMPLEMENTED
        case .internalError: 13  // INTERNAL
        }
    }

    /// The reason code of MQTT 5 in PUBACK and PUBREC.
    public var mqttReason: UInt8 {
        switch self {
        case .ok: 0x00
        case .accepted: 0x00
        case .validationError: 0x99
        case .idempotencyKeyRequired: 0x83
        case .idempotencyKeyReused: 0x83
        case .requestInProgress: 0x83
        case .unauthenticated: 0x87
        case .forbidden: 0x87
        case .notFound: 0x90
        case .noRoute: 0x90
        case .methodNotAllowed: 0x90
        case .versionConflict: 0x83
        case .illegalState: 0x83
        case .tooLarge: 0x97
        case .rateLimited: 0x97
        case .upstreamUnavailable: 0x83
        case .badUpstream: 0x83
        case .deadline: 0x83
        case .cancelled: 0x83
        case .unsupported: 0x83
        case .internalError: 0x80
        }
    }

    /// The same in CONNACK.
    public var mqttConnectReason: UInt8 {
        switch self {
        case .ok: 0x00
        case .accepted: 0x00
        case .validationError: 0x83
        case .idempotencyKeyRequired: 0x83
        case .idempotencyKeyReused: 0x83
        case .requestInProgress: 0x83
        case .unauthenticated: 0x86
        case .forbidden: 0x87
        case .notFound: 0x85
        case .noRoute: 0x85
        case .methodNotAllowed: 0x85
        case .versionConflict: 0x83
        case .illegalState: 0x83
        case .tooLarge: 0x95
        case .rateLimited: 0x97
        case .upstreamUnavailable: 0x88
        case .badUpstream: 0x88
        case .deadline: 0x83
        case .cancelled: 0x83
        case .unsupported: 0x83
        case .internalError: 0x80
        }
    }

    /// The same in SUBACK, where nothing was granted.
    public var mqttSubscribeReason: UInt8 {
        switch self {
        case .ok: 0x00
        case .accepted: 0x00
        case .validationError: 0x83
        case .idempotencyKeyRequired: 0x83
        case .idempotencyKeyReused: 0x83
        case .requestInProgress: 0x83
        case .unauthenticated: 0x87
        case .forbidden: 0x87
        case .notFound: 0x8F
        case .noRoute: 0x8F
        case .methodNotAllowed: 0x8F
        case .versionConflict: 0x83
        case .illegalState: 0x83
        case .tooLarge: 0x97
        case .rateLimited: 0x97
        case .upstreamUnavailable: 0x83
        case .badUpstream: 0x83
        case .deadline: 0x83
        case .cancelled: 0x83
        case .unsupported: 0x83
        case .internalError: 0x80
        }
    }
}

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

    public init(
        _ code: Code, status: UInt16 = 0, grpc: UInt8 = 0, _ detail: StaticString = "", retryAfterMS: UInt32 = 0
    ) {
        self.code = code
        self.status = status
        self.grpc = grpc
        self.detail = detail
        self.retryAfterMS = retryAfterMS
    }

    @inlinable public var httpStatus: UInt16 { status == 0 ? code.httpStatus : status }
}

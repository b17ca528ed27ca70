public import Exchanges

/// A status of gRPC. The protocol knows 0 to 16, but services have sent others and clients rely on them:
/// any number passes through.
public struct GRPCStatus: RawRepresentable, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable public static var ok: GRPCStatus { GRPCStatus(rawValue: 0) }
    @inlinable public static var cancelled: GRPCStatus { GRPCStatus(rawValue: 1) }
    @inlinable public static var unknown: GRPCStatus { GRPCStatus(rawValue: 2) }
    @inlinable public static var invalidArgument: GRPCStatus { GRPCStatus(rawValue: 3) }
    @inlinable public static var deadlineExceeded: GRPCStatus { GRPCStatus(rawValue: 4) }
    @inlinable public static var notFound: GRPCStatus { GRPCStatus(rawValue: 5) }
    @inlinable public static var alreadyExists: GRPCStatus { GRPCStatus(rawValue: 6) }
    @inlinable public static var permissionDenied: GRPCStatus { GRPCStatus(rawValue: 7) }
    @inlinable public static var resourceExhausted: GRPCStatus { GRPCStatus(rawValue: 8) }
    @inlinable public static var failedPrecondition: GRPCStatus { GRPCStatus(rawValue: 9) }
    @inlinable public static var aborted: GRPCStatus { GRPCStatus(rawValue: 10) }
    @inlinable public static var outOfRange: GRPCStatus { GRPCStatus(rawValue: 11) }
    @inlinable public static var unimplemented: GRPCStatus { GRPCStatus(rawValue: 12) }
    @inlinable public static var internalError: GRPCStatus { GRPCStatus(rawValue: 13) }
    @inlinable public static var unavailable: GRPCStatus { GRPCStatus(rawValue: 14) }
    @inlinable public static var dataLoss: GRPCStatus { GRPCStatus(rawValue: 15) }
    @inlinable public static var unauthenticated: GRPCStatus { GRPCStatus(rawValue: 16) }
}

extension GRPCStatus {
    /// The column gRPC of the error table (SPEC 26), where the outcome says nothing finer.
    public init(_ outcome: Outcome) {
        self.init(
            rawValue: outcome.grpc == 0 ? outcome.code.grpcStatus(httpStatus: outcome.status) : UInt32(outcome.grpc))
    }
}

/// What is said of an error beside its status: the `google.rpc.Status` that stands in
/// `grpc-status-details-bin`, with the details of google/rpc/error_details.proto that the gateway uses.
public struct GRPCErrorDetails: Sendable {
    /// `BadRequest`: what is wrong with which part of the request.
    public var violations: [(field: String, description: String)] = []
    /// `RetryInfo`: milliseconds after which another attempt makes sense; 0 = nothing is said.
    public var retryAfterMS: UInt32 = 0
    /// `ErrorInfo`: the reason, a name in capitals, and whose reason it is; empty = none.
    public var reason: [UInt8] = []
    public var domain: [UInt8] = []
    /// `ErrorInfo`: more of it, by name.
    public var metadata: [(name: [UInt8], value: [UInt8])] = []

    public init() {}

    /// The message, serialised.
    public func encoded(_ status: GRPCStatus, message: [UInt8]) -> [UInt8] {
        var out = ProtobufText()
        out.add(1, UInt64(status.rawValue))
        out.add(2, message)
        if !reason.isEmpty {
            var info = ProtobufText()
            info.add(1, reason)
            info.add(2, domain)
            for entry in metadata {
                var pair = ProtobufText()
                pair.add(1, entry.name)
                pair.add(2, entry.value)
                info.add(3, pair.bytes)
            }
            out.add(any: "type.googleapis.com/google.rpc.ErrorInfo", info)
        }
        if !violations.isEmpty {
            var request = ProtobufText()
            for violation in violations {
                var entry = ProtobufText()
                entry.add(1, Array(violation.field.utf8))
                entry.add(2, Array(violation.description.utf8))
                request.add(1, entry.bytes)
            }
            out.add(any: "type.googleapis.com/google.rpc.BadRequest", request)
        }
        if retryAfterMS > 0 {
            var delay = ProtobufText()
            delay.add(1, UInt64(retryAfterMS / 1000))
            delay.add(2, UInt64(retryAfterMS % 1000) * 1_000_000)
            var info = ProtobufText()
            info.add(1, delay.bytes)
            out.add(any: "type.googleapis.com/google.rpc.RetryInfo", info)
        }
        return out.bytes
    }
}

extension ProtobufText {
    /// One of the `details`: a message with the name of its type.
    fileprivate mutating func add(any type: String, _ message: ProtobufText) {
        var any = ProtobufText()
        any.add(1, Array(type.utf8))
        any.add(2, message.bytes)
        add(3, any.bytes)
    }
}

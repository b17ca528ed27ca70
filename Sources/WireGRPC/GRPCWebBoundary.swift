/// Follows gRPC's length-prefixed messages without keeping any of them: may another frame come here? A trailer
/// frame behind half a message would be read as the rest of it.
public struct GRPCWebBoundary: Sendable, BitwiseCopyable {
    /// Bytes of the present prefix that have passed; 5 = the message itself passes.
    private var prefix: UInt8 = 0
    private var length: UInt32 = 0
    private var isBroken = false

    public init() {}

    /// Everything that has passed is whole messages.
    public var isBetweenMessages: Bool { prefix == 0 && !isBroken }

    /// - Returns: false when a message's flags are neither 0 nor 1: those bytes must not reach a client, which
    ///   could take them for trailers.
    public mutating func pass(_ bytes: borrowing Span<UInt8>) -> Bool {
        var at = 0
        while at < bytes.count, !isBroken {
            if prefix < 5 {
                let byte = bytes[at]
                at &+= 1
                if prefix == 0 {
                    isBroken = byte > 1
                    length = 0
                } else {
                    length = length << 8 | UInt32(byte)
                }
                prefix &+= 1
            } else {
                let n = min(bytes.count &- at, Int(length))
                at &+= n
                length &-= UInt32(truncatingIfNeeded: n)
            }
            if prefix == 5, length == 0 { prefix = 0 }
        }
        return !isBroken
    }
}

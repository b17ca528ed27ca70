public import Exchanges

/// Takes the body of a call apart into its messages: each has a prefix of five bytes, a flag and its length.
/// Holds one message at a time, never more than the limit.
public struct GRPCMessageReader {
    public enum Event: Sendable, Equatable {
        /// All bytes have been taken and no message is complete.
        case needMore
        /// `message` holds one, until the next call.
        case message(flags: UInt8)
        case failed(Fault)
    }

    public enum Fault: Sendable, Equatable {
        /// A message is longer than the limit.
        case tooLarge
        /// A flag is set that has no meaning here.
        case badFlag
    }

    /// The message is compressed, as `grpc-encoding` says.
    public static var compressed: UInt8 { 0x01 }
    /// gRPC-Web: no message but the trailers.
    public static var trailers: UInt8 { 0x80 }

    /// The message that was last reported.
    public let message = Buffer(capacity: 256)
    private let limit: Int
    private let flags: UInt8
    private var prefix: UInt64 = 0
    private var prefixBytes = 0
    private var missing = 0
    private var isReported = false
    private var fault: Fault?

    /// - Parameters:
    ///   - limit: bytes of one message as it comes, compressed or not.
    ///   - flags: flag bits that may be set.
    public init(limit: Int, flags: UInt8 = GRPCMessageReader.compressed) {
        self.limit = limit
        self.flags = flags
    }

    /// The next event. Call it until it says `needMore`; after a failure it says the same for ever.
    /// - Parameter position: of the first byte that has not been taken; moved on.
    public mutating func next(_ bytes: borrowing Span<UInt8>, at position: inout Int) -> Event {
        if let fault { return .failed(fault) }
        if isReported {
            isReported = false
            prefixBytes = 0
            message.clear()
        }
        while prefixBytes < 5 {
            guard position < bytes.count else { return .needMore }
            prefix = (prefix << 8 | UInt64(bytes[position])) & 0xff_ffff_ffff
            position += 1
            prefixBytes += 1
            if prefixBytes == 5, let fault = begin() {
                self.fault = fault
                return .failed(fault)
            }
        }
        let n = min(missing, bytes.count - position)
        if n > 0 { message.append(bytes.extracting(position..<(position + n))) }
        position += n
        missing -= n
        guard missing == 0 else { return .needMore }
        isReported = true
        return .message(flags: UInt8(truncatingIfNeeded: prefix >> 32))
    }

    private mutating func begin() -> Fault? {
        if UInt8(truncatingIfNeeded: prefix >> 32) & ~flags != 0 { return .badFlag }
        missing = Int(prefix & 0xffff_ffff)
        return missing > limit ? .tooLarge : nil
    }

    /// The length that the first prefix of `bytes` says; there must be five of them.
    public static func length(_ bytes: borrowing Span<UInt8>) -> Int {
        var length = 0
        for i in 1..<5 { length = length << 8 | Int(bytes[i]) }
        return length
    }

    /// Would the end of the body be the end of a message? If not, it is truncated.
    public var isBetweenMessages: Bool { fault == nil && (isReported || prefixBytes == 0) }
}

/// Puts messages together to a body.
public enum GRPCMessageWriter {
    /// The five bytes before a message.
    /// - Parameter count: bytes of the message, as it is sent.
    public static func prefix(_ count: Int, flags: UInt8 = 0, into out: Buffer) {
        out.append(flags)
        let length = UInt32(clamping: count)
        for shift in [24, 16, 8, 0] as [UInt32] { out.append(UInt8(truncatingIfNeeded: length >> shift)) }
    }

    /// One message, with its prefix.
    public static func append(_ message: borrowing Span<UInt8>, flags: UInt8 = 0, into out: Buffer) {
        prefix(message.count, flags: flags, into: out)
        out.append(message)
    }
}

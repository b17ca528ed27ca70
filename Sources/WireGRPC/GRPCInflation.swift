import CZlib
public import Exchanges

/// Compressed messages, taken apart (`grpc-encoding: gzip` or `deflate`): zlib, and a bound on what comes out.
public enum GRPCInflation {
    public enum Outcome: Sendable, Equatable {
        /// The message has been appended.
        case inflated
        /// There is more of it than the limit.
        case tooLarge
        /// It is no stream of this encoding, or not whole.
        case malformed
        /// An encoding that is not known here.
        case unknownEncoding
    }

    /// The value of `grpc-accept-encoding`.
    public static var encodings: StaticString { "identity,deflate,gzip" }

    /// Appends what `message` stands for. Unless it says `inflated`, what was appended means nothing.
    /// - Parameters:
    ///   - encoding: the value of `grpc-encoding`.
    ///   - limit: bytes of the message, inflated.
    public static func inflate(
        _ message: borrowing Span<UInt8>, encoding: borrowing Span<UInt8>, limit: Int, into out: Buffer
    ) -> Outcome {
        // gzip has a header of its own (RFC 1952); gRPC's deflate is zlib's format (RFC 1950).
        let window: Int32
        if encoding.equalsIgnoringCase("gzip") {
            window = 15 + 16
        } else if encoding.equalsIgnoringCase("deflate") {
            window = 15
        } else {
            return .unknownEncoding
        }
        guard message.count <= Int(UInt32.max) else { return .tooLarge }
        var stream = z_stream()
        guard inflateInit2_(&stream, window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return .malformed
        }
        defer { inflateEnd(&stream) }
        return message.withUnsafeBufferPointer { source in
            // zlib does not write there; its header says so only where ZLIB_CONST is defined.
            stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
            stream.avail_in = UInt32(source.count)
            return inflate(&stream, limit: limit, into: out)
        }
    }

    private static func inflate(_ stream: inout z_stream, limit: Int, into out: Buffer) -> Outcome {
        var total = 0
        while true {
            out.reserve(4096)
            let room = min(out.free, limit - total + 1)
            let result = out.withUnsafeFree { free -> Int32 in
                stream.next_out = free.bindMemory(to: UInt8.self).baseAddress
                stream.avail_out = UInt32(clamping: room)
                return CZlib.inflate(&stream, Z_NO_FLUSH)
            }
            let made = min(room, Int(UInt32.max)) - Int(stream.avail_out)
            out.produced(made)
            total += made
            if total > limit { return .tooLarge }
            switch result {
            case Z_STREAM_END: return stream.avail_in == 0 ? .inflated : .malformed
            case Z_OK where made > 0: continue
            default: return .malformed
            }
        }
    }
}

public import Exchanges

/// The incremental decoder of the chunked coding (RFC 9112 section 7.1), strict in every byte:
/// sizes are plain hexadecimal with an overflow check, lines end in CRLF, extensions are bounded and
/// printable, white space and NUL in chunk lines are refused, trailers obey the field rules.
public struct ChunkedDecoder: Sendable, BitwiseCopyable {
    public enum Event: Sendable, BitwiseCopyable {
        /// Everything that could be used has been; call again with the unused bytes and more.
        case needMore
        /// Body bytes, at this place in the text.
        case data(Slice)
        /// A trailer field, at this place in the text.
        case trailer(Field)
        /// The body is over.
        case end
        case failed(HTTP1Fault)
    }

    private enum State: Sendable, BitwiseCopyable { case size, data, dataEnd, trailers, done }
    private var state = State.size
    /// Bytes of the chunk in progress that have not come yet.
    public private(set) var remaining: UInt64 = 0
    private var trailerBytes = 0
    private var trailerCount = 0

    public init() {}

    /// Decodes the next event from `text` at `position`, and moves `position` past what was used.
    public mutating func next(_ text: borrowing Span<UInt8>, at position: inout Int, limits: HTTP1Limits) -> Event {
        while true {
            switch state {
            case .size:
                switch Self.sizeLine(text, at: position, limits: limits) {
                case .needMore: return .needMore
                case .failed(let fault): return .failed(fault)
                case .line(let size, let next):
                    position = next
                    remaining = size
                    state = size == 0 ? .trailers : .data
                }
            case .data:
                let available = UInt64(text.count &- position)
                if available == 0 { return .needMore }
                let n = Int(min(available, remaining))
                let slice = Slice(position, position &+ n)
                position &+= n
                remaining &-= UInt64(n)
                if remaining == 0 { state = .dataEnd }
                return .data(slice)
            case .dataEnd:
                guard position < text.count else { return .needMore }
                guard text[position] == 0x0d else { return .failed(.badChunkEnd) }
                guard position &+ 1 < text.count else { return .needMore }
                guard text[position &+ 1] == 0x0a else { return .failed(.badChunkEnd) }
                position &+= 2
                state = .size
            case .trailers:
                let lineStart = position
                var field = Field(name: .other, nameText: .none, value: .none)
                switch HTTP1FieldLine.parse(text, at: &position, longest: limits.fieldLine, into: &field) {
                case .needMore:
                    return trailerBytes + (text.count &- position) > limits.trailers
                        ? .failed(.trailersTooLarge) : .needMore
                case .failed: return .failed(.badTrailer)
                case .end:
                    state = .done
                    return .end
                case .field:
                    trailerBytes += position &- lineStart
                    trailerCount += 1
                    guard trailerBytes <= limits.trailers, trailerCount <= limits.fieldCount else {
                        return .failed(.trailersTooLarge)
                    }
                    return .trailer(field)
                }
            case .done: return .end
            }
        }
    }

    private enum SizeLine { case needMore, line(UInt64, next: Int), failed(HTTP1Fault) }

    /// `1*HEXDIG [chunk-ext] CRLF`.
    private static func sizeLine(_ text: borrowing Span<UInt8>, at start: Int, limits: HTTP1Limits) -> SizeLine {
        let end = text.count
        var at = start
        var size: UInt64 = 0
        while at < end, let digit = text[at].hexValue {
            guard at &- start < 15 else { return .failed(.badChunkSize) }
            size = size << 4 | UInt64(digit)
            at &+= 1
        }
        if at == end { return .needMore }
        guard at > start else { return .failed(.badChunkSize) }
        if text[at] == 0x3b {
            switch extensionEnd(text, at: at, longest: limits.chunkExtension) {
            case .success(nil): return .needMore
            case .success(let found?): at = found
            case .failure(let fault): return .failed(fault)
            }
        }
        guard text[at] == 0x0d else { return .failed(.badChunkSize) }
        guard at &+ 1 < end else { return .needMore }
        guard text[at &+ 1] == 0x0a else { return .failed(.badChunkSize) }
        return .line(size, next: at &+ 2)
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )`, without optional white space; nil = incomplete.
    private static func extensionEnd(_ text: borrowing Span<UInt8>, at start: Int, longest: Int)
        -> Result<Int?, HTTP1Fault>
    {
        var at = start
        var quoted = false
        while at < text.count {
            guard at &- start <= longest else { return .failure(.badChunkExtension) }
            let byte = text[at]
            if quoted {
                if byte == 0x5c {
                    at &+= 1
                    if at == text.count { return .success(nil) }
                    guard ByteClass.isFieldText(text[at]) else { return .failure(.badChunkExtension) }
                } else if byte == 0x22 {
                    quoted = false
                } else if !ByteClass.isFieldText(byte) {
                    return .failure(.badChunkExtension)
                }
            } else if byte == 0x22 {
                guard text[at &- 1] == 0x3d else { return .failure(.badChunkExtension) }
                quoted = true
            } else if byte == 0x0d {
                return .success(at)
            } else if byte != 0x3b && byte != 0x3d && !ByteClass.isToken(byte) {
                return .failure(.badChunkExtension)
            }
            at &+= 1
        }
        return .success(nil)
    }
}

import Exchanges

/// Takes a message body apart, however it is delimited: data places and trailers in, end out.
/// The same reader serves requests (from clients) and answers (from upstreams).
public struct HTTP1BodyReader: Sendable, BitwiseCopyable {
    private enum Mode: Sendable, BitwiseCopyable { case done, length(UInt64), chunked(ChunkedDecoder), untilClose }
    private var mode: Mode

    public init(_ framing: BodyFraming) {
        switch framing {
        case .none: mode = .done
        case .length(let n): mode = .length(n)
        case .chunked: mode = .chunked(ChunkedDecoder())
        case .untilClose: mode = .untilClose
        }
    }

    public var isDone: Bool { if case .done = mode { true } else { false } }
    /// Is the end of the connection the (only) proper end of this body?
    public var endsWithConnection: Bool { if case .untilClose = mode { true } else { false } }

    /// Has the last byte come, with only `.end` left to say? (A body of known length needs no more input for it.)
    public var isExhausted: Bool { if case .length(0) = mode { true } else { false } }

    /// Bytes that the framing has announced and that have not come yet.
    public var announced: UInt64 {
        switch mode {
        case .done, .untilClose: 0
        case .length(let n): n
        case .chunked(let decoder): decoder.remaining
        }
    }

    /// The next event in `text` from `position` on. `.end` comes once, with the last byte.
    public mutating func next(_ text: borrowing Span<UInt8>, at position: inout Int, limits: HTTP1Limits)
        -> ChunkedDecoder.Event
    {
        switch mode {
        case .done: return .end
        case .length(let left):
            if left == 0 {
                mode = .done
                return .end
            }
            let available = text.count &- position
            if available == 0 { return .needMore }
            let n = Int(min(UInt64(available), left))
            let slice = Slice(position, position &+ n)
            position &+= n
            mode = .length(left &- UInt64(n))
            return .data(slice)
        case .chunked(var decoder):
            let event = decoder.next(text, at: &position, limits: limits)
            if case .end = event { mode = .done } else { mode = .chunked(decoder) }
            return event
        case .untilClose:
            guard position < text.count else { return .needMore }
            let slice = Slice(position, text.count)
            position = text.count
            return .data(slice)
        }
    }
}

internal import CNghttp2
internal import Exchanges

/// What a peer can make us do without sending anything of use, counted by frame before the engine sees
/// it: floods of PING, SETTINGS, PRIORITY, empty DATA and unknown frames (which the engine skips in
/// silence), resets of both kinds, CONTINUATION without end.
struct HTTP2Bounds {
    private let settings: HTTP2Settings
    private let role: HTTP2Session.Role
    private var resets: HTTP2Meter
    private var control: HTTP2Meter
    private var continuations = 0
    /// Bytes that belong to the preface or to the payload of a frame whose header has been read.
    private var skip: Int
    /// The beginning of a frame header that did not come whole: length, type and flags as one number.
    private var partial: UInt64 = 0
    private var partialCount = 0

    init(_ settings: HTTP2Settings, role: HTTP2Session.Role) {
        self.settings = settings
        self.role = role
        resets = HTTP2Meter(settings.resets)
        control = HTTP2Meter(settings.control)
        skip = role == .server ? 24 : 0
    }

    /// Walks over the frames that begin in `bytes`. False = one of them is one too many.
    mutating func admit(_ bytes: borrowing Span<UInt8>, nowMS: UInt64) -> Bool {
        var at = 0
        while true {
            let jump = min(skip, bytes.count &- at)
            skip &-= jump
            at &+= jump
            while partialCount < 9 {
                guard at < bytes.count else { return true }
                // Length, type and flags are the first five bytes; the stream's number is of no interest.
                if partialCount < 5 { partial = partial << 8 | UInt64(bytes[at]) }
                partialCount &+= 1
                at &+= 1
            }
            let length = Int(partial >> 16)
            let (type, flags) = (UInt32(partial >> 8 & 0xff), UInt8(truncatingIfNeeded: partial))
            partial = 0
            partialCount = 0
            skip = length
            guard admit(type: type, length: length, flags: flags, nowMS: nowMS) else { return false }
        }
    }

    private mutating func admit(type: UInt32, length: Int, flags: UInt8, nowMS: UInt64) -> Bool {
        switch type {
        case NGHTTP2_DATA.rawValue:
            if length > 0 || flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 { return true }
        case NGHTTP2_HEADERS.rawValue:
            continuations = 0
            // Requests have identifiers that rise; answers may come for streams that are no more.
            if role == .server {
                // gRPC's clients open each call's window with one frame of its own.
                control.earn(of: settings.control)
                return true
            }
        case NGHTTP2_CONTINUATION.rawValue:
            continuations += 1
            return length > 0 && continuations <= settings.continuations
        case NGHTTP2_RST_STREAM.rawValue: return true  // counted when it is known what it ended
        default: break
        }
        return control.take(of: settings.control, nowMS: nowMS)
    }

    /// A frame that turned out to carry nothing. False = one too many.
    mutating func empty(nowMS: UInt64) -> Bool { control.take(of: settings.control, nowMS: nowMS) }

    /// A DATA frame of ours has gone: its answer in WINDOW_UPDATE, for the stream and for the connection, is explained.
    mutating func dataSent() {
        control.earn(of: settings.control)
        control.earn(of: settings.control)
    }

    /// A request of ours has been submitted: its answer's head and trailers are explained, and a reset.
    mutating func requestSent() { for _ in 0..<3 { control.earn(of: settings.control) } }

    /// A stream ended before its time by the peer's wish or fault. False = one too many.
    mutating func reset(nowMS: UInt64) -> Bool { resets.take(of: settings.resets, nowMS: nowMS) }
}

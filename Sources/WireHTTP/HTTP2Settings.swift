/// What one side of an HTTP/2 connection allows the other (RFC 9113 section 6.5.2 and the bounds the
/// RFC leaves to the receiver, section 10.5).
public struct HTTP2Settings: Sendable, Hashable {
    /// Streams the peer may have open; for a client, streams it opens itself at most.
    public var maxConcurrentStreams: UInt32 = 100
    /// Bytes of body on one stream that may come before any have been used.
    public var streamWindow: UInt32 = 64 << 10
    /// The same over all streams of the connection.
    public var connectionWindow: UInt32 = 1 << 20
    /// Field sections: one field, their number, all of a section as decoded, trailers.
    public var limits = HTTP1Limits()
    /// Streams that end by reset before their answer has, and resets that the peer's errors make us send.
    public var resets = HTTP2Allowance(burst: 200, perSecond: 50)
    /// Frames that cost us work and carry nothing: PING, SETTINGS, PRIORITY, empty DATA, unknown types,
    /// WINDOW_UPDATE beyond what our DATA explains.
    public var control = HTTP2Allowance(burst: 1000, perSecond: 200)
    /// CONTINUATION frames of one field section.
    public var continuations = 8
    public init() {}
}

/// The 24 bytes a client begins with (RFC 9113 section 3.4).
public enum HTTP2Preface {
    public enum Match: Sendable { case none, part, whole }

    public static func match(_ text: borrowing Span<UInt8>) -> Match {
        let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for i in 0..<min(text.count, 24) where text[i] != preface.utf8Start[i] { return .none }
        return text.count >= 24 ? .whole : .part
    }
}

/// A rate with a burst: so many at once, refilled at so many a second.
public struct HTTP2Allowance: Sendable, Hashable {
    public var burst: UInt32
    public var perSecond: UInt32
    public init(burst: UInt32, perSecond: UInt32) {
        self.burst = burst
        self.perSecond = perSecond
    }
}

/// What is left of an allowance. Counts in thousandths, so that slow rates refill at all.
struct HTTP2Meter {
    private var left: UInt64
    private var sinceMS: UInt64 = 0

    init(_ allowance: HTTP2Allowance) { left = UInt64(allowance.burst) * 1000 }

    /// Takes one; false = there is none left.
    mutating func take(of allowance: HTTP2Allowance, nowMS: UInt64) -> Bool {
        if nowMS > sinceMS {
            let most = UInt64(allowance.burst) * 1000
            // An hour refills anything; beyond it the product could overflow.
            left = min(most, left + min(nowMS - sinceMS, 3_600_000) * UInt64(allowance.perSecond))
            sinceMS = nowMS
        }
        guard left >= 1000 else { return false }
        left -= 1000
        return true
    }

    /// Earned by the peer's legitimate traffic.
    mutating func earn(of allowance: HTTP2Allowance) {
        left = min(UInt64(allowance.burst) * 1000, left + 1000)
    }
}

/// Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7).
public enum HTTP2Error: UInt32, Sendable, BitwiseCopyable, CaseIterable {
    case noError, protocolError, internalError, flowControlError, settingsTimeout, streamClosed, frameSizeError
    case refusedStream, cancel, compressionError, connectError, enhanceYourCalm, inadequateSecurity, http11Required

    /// Codes that are not known mean no more than INTERNAL_ERROR (section 7).
    public init(code: UInt32) { self = HTTP2Error(rawValue: code) ?? .internalError }

    /// As metrics and logs show it.
    public var label: StaticString {
        switch self {
        case .noError: "no_error"
        case .protocolError: "protocol_error"
        case .internalError: "internal_error"
        case .flowControlError: "flow_control_error"
        case .settingsTimeout: "settings_timeout"
        case .streamClosed: "stream_closed"
        case .frameSizeError: "frame_size_error"
        case .refusedStream: "refused_stream"
        case .cancel: "cancel"
        case .compressionError: "compression_error"
        case .connectError: "connect_error"
        case .enhanceYourCalm: "enhance_your_calm"
        case .inadequateSecurity: "inadequate_security"
        case .http11Required: "http_1_1_required"
        }
    }
}

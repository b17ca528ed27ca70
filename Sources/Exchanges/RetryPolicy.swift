/// When an attempt to reach an upstream is made again. Plain bits, part of a `Rule`.
public struct RetryPolicy: Sendable, Hashable, BitwiseCopyable {
    /// What an attempt may have failed with.
    public struct Reasons: OptionSet, Sendable, Hashable, BitwiseCopyable {
        public var rawValue: UInt8
        @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// No connection could be made: nothing was sent.
        public static let connect = Reasons(rawValue: 1)
        /// The connection ended before the head of the answer.
        public static let reset = Reasons(rawValue: 2)
        /// The upstream said that it has not begun with the request (REFUSED_STREAM, GOAWAY).
        public static let refused = Reasons(rawValue: 4)
        /// The answer did not begin in time.
        public static let timeout = Reasons(rawValue: 8)
        public static let status502 = Reasons(rawValue: 16)
        public static let status503 = Reasons(rawValue: 32)
        public static let status504 = Reasons(rawValue: 64)

        /// What `retries: N` means.
        public static let short: Reasons = [.connect, .reset, .refused]

        /// The reason an answer with this status is; empty for all others.
        @inlinable public init(status: UInt16) {
            switch status {
            case 502: self = .status502
            case 503: self = .status503
            case 504: self = .status504
            default: self = []
            }
        }
    }

    /// In total, the first included; at least 1.
    public var attempts: UInt8 = 2
    public var reasons = Reasons.short
    /// Milliseconds before the first retry, at most; twice as many before each next one. 0 = none.
    public var backoff: UInt32 = 0
    public var maxBackoff: UInt32 = 0
    /// Milliseconds from the start of an attempt to the head of its answer; 0 = only the other timeouts.
    public var perTry: UInt32 = 0

    public init() {}

    /// `retries: N`.
    public init(retries: UInt8) { attempts = retries + 1 }

    /// The longest wait before attempt number `attempt` (1 = the first retry). A wait is drawn evenly
    /// between 0 and this, so that those who failed together do not come back together.
    public func longestBackoff(_ attempt: Int) -> UInt32 {
        let doubled = UInt64(backoff) << UInt64(min(max(attempt - 1, 0), 20))
        return UInt32(min(doubled, UInt64(max(backoff, maxBackoff))))
    }
}

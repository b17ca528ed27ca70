/// Topic names (MQTT 5.0 section 4.7), as UTF-8 that has been checked.
public enum TopicName {
    /// Bytes of a name or filter, at most (section 4.7.3).
    public static let longest = 65_535

    /// Has at least one character and no wildcard, and no more levels than `most`.
    public static func isValid(_ name: borrowing Span<UInt8>, mostLevels: Int) -> Bool {
        preconditionFailure("not written yet")
    }
}

/// A topic filter (section 4.7), taken apart.
public struct TopicFilter: Sendable, Hashable {
    /// Of a shared subscription (section 4.8.2); nil = it is none.
    public let share: [UInt8]?
    /// Without `$share/{ShareName}/`.
    public let text: [UInt8]
    /// Its levels; `+` and `#` stand for themselves.
    public var levels: [ArraySlice<UInt8>] { text.split(separator: 0x2f, omittingEmptySubsequences: false) }

    /// Nil when it is no topic filter.
    public init?(_ bytes: borrowing Span<UInt8>, mostLevels: Int) {
        preconditionFailure("not written yet")
    }

    /// Does it take this topic (section 4.7.2: what begins with `$` is not taken by a wildcard at the first level)?
    public func matches(_ topic: borrowing Span<UInt8>) -> Bool {
        preconditionFailure("not written yet")
    }
}

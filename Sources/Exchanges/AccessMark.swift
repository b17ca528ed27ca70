/// What the stage `authorize` came to: kept for the log, the metrics and whoever was refused.
public struct AccessMark: Sendable, BitwiseCopyable {
    public enum Word: UInt8, Sendable, BitwiseCopyable {
        /// Nothing was decided.
        case none
        case allowed
        case denied
        /// The object's holder has the last word.
        case object
    }

    /// What somebody outside was asked, and said.
    public enum Opinion: UInt8, Sendable, BitwiseCopyable {
        case none, allowed, denied
        /// He could not be asked, or his answer was none.
        case unavailable
    }

    public var word = Word.none
    /// Number of the policy's rule that decided; `Rule.none` = no rule did: the default, or somebody outside.
    public var rule: UInt16 = Rule.none
    /// Of the policy as it was read: another text has another number.
    public var version: UInt32 = 0
    public var opinion = Opinion.none

    public init() {}
}

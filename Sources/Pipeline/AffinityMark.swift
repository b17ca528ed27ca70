/// What is known of the thing that an exchange is about, and that stays on one side of its flag.
public struct AffinityMark: Sendable, BitwiseCopyable {
    public enum Word: UInt8, Sendable, BitwiseCopyable {
        /// Nobody has asked.
        case none
        /// The log is asked.
        case asked
        /// It is held by `side`, or by nobody where that is `none`.
        case known
    }

    public var word = Word.none
    public var side = Arm.none
    /// What the worker's board has it under; 0 = it is not there.
    public var key: UInt64 = 0
    /// Of the affinity, when this was so.
    public var version: UInt32 = 0
    /// How many had begun by then, as the board counts.
    public var starts: UInt64 = 0

    public init() {}
}

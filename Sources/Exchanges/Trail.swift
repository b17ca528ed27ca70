/// What a stage said.
public enum Verdict: Sendable, BitwiseCopyable {
    case proceed
    case park
    /// The request's body is needed first: it is collected, and the stage is asked again.
    case collect
    case answer(Outcome)
}

/// One plain record a stage leaves in the exchange: the reason for an answer, kept as it is decided.
public struct Mark: Sendable, BitwiseCopyable {
    public enum Word: UInt8, Sendable, BitwiseCopyable { case passed, waited, refused }
    public var stage: Stage
    public var word: Word
    /// The table index the stage used (limiter, schema, flag …), `Rule.none` when it used none.
    public var rule: UInt16
    @inlinable public init(stage: Stage, word: Word, rule: UInt16) {
        self.stage = stage
        self.word = word
        self.rule = rule
    }
}

/// The trail of one exchange: at most one mark a stage, so eight slots and no allocation.
/// `waited` is overwritten by what the stage says when it is called again.
public struct Trail: Sendable, BitwiseCopyable {
    @usableFromInline var marks: InlineArray<8, Mark> = .init(
        repeating: Mark(stage: .shield, word: .passed, rule: Rule.none))
    @usableFromInline var present: UInt8 = 0
    public init() {}

    @inlinable public mutating func leave(_ mark: Mark) {
        let i = Int(mark.stage.rawValue)
        marks[i] = mark
        present |= 1 << UInt8(i)
    }

    /// The mark of a stage that has spoken.
    @inlinable public subscript(_ stage: Stage) -> Mark? {
        present >> stage.rawValue & 1 == 0 ? nil : marks[Int(stage.rawValue)]
    }

    /// The stage that ended the exchange, if one did.
    public var refusedBy: Stage? {
        for stage in Stage.allCases where self[stage]?.word == .refused { return stage }
        return nil
    }
}

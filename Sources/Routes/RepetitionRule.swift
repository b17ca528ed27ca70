/// What the stage `replay` does with idempotency keys (SPEC 4).
public struct RepetitionRule: Sendable, Hashable, CustomStringConvertible {
    /// A request without a key is refused.
    public var isRequired = false
    /// `on_duplicate: reject`: a repetition is refused instead of answered again.
    public var rejects = false

    public var description: String {
        (isRequired ? "key required" : "key optional") + (rejects ? ", repetitions refused" : "")
    }
}

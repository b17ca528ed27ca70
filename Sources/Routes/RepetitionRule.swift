/// What the stage `replay` does with idempotency keys (SPEC 4).
public struct RepetitionRule: Sendable, Hashable, CustomStringConvertible {
    /// A request without a key is refused.
    public var isRequired = false
    /// `on_duplicate: reject`: a repetition is refused instead of answered again.
    public var rejects = false
    /// `on_unknown: retry`: the cluster knows repetitions itself, and may be asked again when nobody knows what became
    /// of the first request.
    public var takesOver = false

    public var description: String {
        (isRequired ? "key required" : "key optional") + (rejects ? ", repetitions refused" : "") + (takesOver ? ", sent again when the outcome is unknown" : "")
    }
}

/// How long and how many requests are remembered, to know their repetitions (SPEC 4).
public struct IdempotencySettings: Sendable, Equatable {
    /// Milliseconds that a key counts for.
    public var window: UInt32 = 24 * 3_600_000
    /// Records within the window; more requests with a key of their own are refused.
    public var records = 1_000_000
    /// Milliseconds that a cluster has to answer, before its answer is taken for lost.
    public var lease: UInt32 = 60_000

    public init() {}

    mutating func read(_ fields: Fields) {
        window = fields.milliseconds("window", in: 1_000...30 * 86_400_000) ?? window
        records = fields.integer("records", in: 1...100_000_000) ?? records
        let given = fields.milliseconds("lease", in: 100...86_400_000)
        // Else a key would be free again while its first request is still on its way.
        if let given, given > window {
            fields.diagnostics.error(at: fields.position(of: "lease"), "'lease' must not be longer than 'window'")
        }
        lease = min(given ?? lease, window)
        fields.finish()
    }
}

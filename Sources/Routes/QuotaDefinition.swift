public import Settings

/// One limit that the stage `quota` charges.
public struct QuotaDefinition: Sendable, Hashable, CustomStringConvertible {
    /// The limit's name in the configuration.
    public var limit: String
    /// Units a request takes of it.
    public var cost: UInt32 = 1
    public var position: SourcePosition

    public var description: String { cost == 1 ? limit : "\(limit) (\(cost) units)" }
}

public import Settings

/// Which policy the stage `authorize` asks.
public struct AccessDemand: Sendable, Hashable, CustomStringConvertible {
    /// Its name in the policy files.
    public var policy: String
    public var position: SourcePosition

    public var description: String { policy }
}

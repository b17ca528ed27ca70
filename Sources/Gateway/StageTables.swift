public import Routes
public import Settings

/// What the stages of one generation rest on beside its routes: compiled and checked with them.
public struct StageTables: Sendable {
    /// Check `diagnostics` before using it.
    public init(_ configuration: Configuration, _ table: RouteTable, _ diagnostics: Diagnostics) {}
}

public import Identity
public import Routes
public import Settings

/// What the stages of one generation rest on beside its routes: compiled and checked with them.
public struct StageTables: Sendable {
    public let identity: IdentityTable

    /// Check `diagnostics` before using it.
    public init(_ configuration: Configuration, _ table: RouteTable, _ diagnostics: Diagnostics) {
        identity = IdentityTable(configuration.identity, diagnostics)
        for route in table.routes where route.identity?.mode == .required && configuration.identity.issuers.isEmpty {
            diagnostics.warning(at: route.position, "route '\(route.name)' requires a token, and there is no issuer: nobody gets in")
        }
    }
}

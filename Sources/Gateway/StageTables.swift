public import Contracts
public import Identity
public import Routes
public import Settings

/// What the stages of one generation rest on beside its routes: compiled and checked with them.
public struct StageTables: Sendable {
    public let identity: IdentityTable
    /// Of the stage `authorize`.
    let access: AccessTables

    /// Check `diagnostics` before using it.
    /// - Parameter schema: what messages look like; nil = nobody has said so.
    public init(_ configuration: Configuration, _ table: RouteTable, _ schema: ProtoSchema?, _ diagnostics: Diagnostics) {
        identity = IdentityTable(configuration.identity, diagnostics)
        for route in table.routes where route.identity?.mode == .required && configuration.identity.issuers.isEmpty {
            diagnostics.warning(at: route.position, "route '\(route.name)' requires a token, and there is no issuer: nobody gets in")
        }
        access = AccessTables(configuration, table, schema, diagnostics)
    }
}

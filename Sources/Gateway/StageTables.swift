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
        if configuration.identity.issuers.isEmpty { Self.warnOfClosedRoutes(table, diagnostics) }
        access = AccessTables(configuration, table, schema, diagnostics)
    }

    /// One line for all of them: they have one cause.
    private static func warnOfClosedRoutes(_ table: RouteTable, _ diagnostics: Diagnostics) {
        let closed = table.routes.filter { $0.identity?.mode == .required }
        guard let first = closed.first else { return }
        diagnostics.warning(
            at: first.position,
            """
            routes that take a token: \(closed.count), the first is '\(first.name)'; but no issuer of tokens is configured, so that they are \
            401 for everybody. Name one under 'identity: { issuers: … }', for development as in config/development.yaml
            """)
    }
}

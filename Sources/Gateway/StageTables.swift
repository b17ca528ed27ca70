public import Contracts
public import Routes
public import Settings

/// What the stages of one generation rest on beside its routes: compiled and checked with them.
public struct StageTables: Sendable {
    /// Of the stage `authorize`.
    let access: AccessTables

    /// Check `diagnostics` before using it.
    /// - Parameter schema: what messages look like; nil = nobody has said so.
    public init(_ configuration: Configuration, _ table: RouteTable, _ schema: ProtoSchema?, _ diagnostics: Diagnostics) {
        access = AccessTables(configuration, table, schema, diagnostics)
    }
}

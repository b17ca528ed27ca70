public import Settings

/// Route files → one table, or every reason why not.
public enum RouteCompiler {
    /// Routes of one generation; rule numbers have 16 bits, and a table nobody can read is no table.
    public static let routeLimit = 10_000
    /// Files in the folder.
    public static let fileLimit = 1_000

    /// The table of all route files that `configuration.routes` names: single files, and all `*.yaml` of a
    /// folder in the order of their names.
    /// - Returns: nil when anything was wrong; `diagnostics` says what. Warnings alone do not hinder.
    public static func compile(
        _ configuration: Configuration, vocabulary: Vocabulary, _ diagnostics: Diagnostics
    ) -> RouteTable? {
        let before = diagnostics.errors
        // The default folder may be missing: a gateway without routes answers 404 and its health.
        let isDefault = configuration.routes == Configuration().routes
        let files = configuration.routes.flatMap {
            FileFolder.yaml(
                at: $0, "route files", atMost: fileLimit, whenMissing: isDefault ? "does not exist; there are no routes" : nil,
                diagnostics)
        }
        let documents = files.compactMap { Document.read(path: $0, diagnostics) }
        let flags = FlagFile.read(configuration, diagnostics)
        let tables = TranslationTable.read(configuration, diagnostics)
        let table = compile(documents, configuration, vocabulary: vocabulary, flags: flags, tables: tables, diagnostics)
        return diagnostics.errors == before ? table : nil
    }

    /// The table of documents already read.
    /// - Parameter flags: the document of the flag file; nil = there is none. The configuration's tables are empty.
    public static func compile(
        _ documents: [Value], _ configuration: Configuration, vocabulary: Vocabulary, flags: Value? = nil, _ diagnostics: Diagnostics
    ) -> RouteTable? {
        let file = flags.map { FlagReader(diagnostics: diagnostics).read($0) }
        let tables = configuration.tables.map { TranslationTable(name: $0.name) }
        return compile(documents, configuration, vocabulary: vocabulary, flags: file, tables: tables, diagnostics)
    }

    private static func compile(
        _ documents: [Value], _ configuration: Configuration, vocabulary: Vocabulary, flags: FlagFile?, tables: [TranslationTable],
        _ diagnostics: Diagnostics
    ) -> RouteTable? {
        let before = diagnostics.errors
        let reader = RouteReader(configuration: configuration, vocabulary: vocabulary, flags: flags, diagnostics: diagnostics)
        var routes: [RouteDefinition] = []
        for document in documents {
            let fields = Fields(document, "a route file", diagnostics)
            if let value = fields.value("routes") {
                if case .list(let items) = value.shape {
                    routes += items.compactMap { reader.read($0) }
                } else {
                    diagnostics.error(at: value.position, "'routes' must be a list, not \(value.summary)")
                }
            }
            fields.finish()
        }
        if routes.count > routeLimit {
            diagnostics.error(at: routes[routeLimit].position, "more than \(routeLimit) routes")
            return nil
        }
        Conflicts.check(routes, diagnostics)
        Conflicts.checkWeights(routes, diagnostics)
        var parts = TableParts(flags: flags?.flags ?? [], translations: tables)
        var builder = TrieBuilder()
        for route in routes {
            if !builder.add(route.match, rule: UInt16(parts.rules.count)) {
                diagnostics.error(
                    at: route.position, "more than \(MethodSet.customLimit) methods beside the known ones")
            }
            parts.add(route)
        }
        guard diagnostics.errors == before else { return nil }
        parts.trie = builder.build()
        return RouteTable(parts, configuration: configuration, vocabulary: vocabulary)
    }
}

/// A table by which routes translate what clients call things: `tables` of the configuration.
public struct TableFile: Sendable, Equatable {
    public var name: String
    public var file: PlacedPath

    /// Tables of a configuration.
    public static let most = 64

    public init(name: String, file: PlacedPath) {
        self.name = name
        self.file = file
    }
}

extension Configuration {
    /// `tables: { skus: config/skus.yaml }`
    mutating func readTables(_ root: Fields) {
        guard let section = root.fields("tables", "the tables") else { return }
        tables = section.named().compactMap { entry in
            guard checkName(entry.key, "a table", at: entry.position, root.diagnostics),
                let path = entry.value.string(entry.key, root.diagnostics)
            else { return nil }
            return TableFile(name: entry.key, file: PlacedPath(path, at: entry.value.position))
        }
        if tables.count > TableFile.most {
            root.diagnostics.error(at: section.position, "at most \(TableFile.most) tables are supported")
        }
    }
}

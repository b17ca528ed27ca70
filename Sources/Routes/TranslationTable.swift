import Settings

/// What clients call things and what they are called here: one of the configuration's `tables`.
public struct TranslationTable: Sendable {
    /// Bytes of a text on either side.
    static let longest = 128

    public let name: String
    private let entries: [[UInt8]: [UInt8]]

    init(name: String, entries: [[UInt8]: [UInt8]] = [:]) {
        self.name = name
        self.entries = entries
    }

    public var count: Int { entries.count }

    /// Nil = it is not in the table.
    public subscript(_ text: [UInt8]) -> [UInt8]? { entries[text] }

    /// What stands for what: under each text here those of clients that mean it, in the order of their bytes.
    public var reversed: [[UInt8]: [[UInt8]]] {
        Dictionary(grouping: entries.keys, by: { entries[$0] ?? [] }).mapValues { $0.sorted { $0.lexicographicallyPrecedes($1) } }
    }

    /// Every table of the configuration, in its order. One that cannot be read has been reported, and is empty; so is one
    /// that nobody has named and that is not there.
    static func read(_ configuration: Configuration, _ diagnostics: Diagnostics) -> [TranslationTable] {
        configuration.tables.map { table in
            if table.file.position.line == 0, !FileFolder.exists(table.file.path) { return TranslationTable(name: table.name) }
            guard let document = Document.read(path: table.file.path, diagnostics) else { return TranslationTable(name: table.name) }
            return TranslationTable(name: table.name, document, diagnostics)
        }
    }

    /// `sku: product`, a line each.
    init(name: String, _ document: Value, _ diagnostics: Diagnostics) {
        var entries: [[UInt8]: [UInt8]] = [:]
        for entry in Fields(document, "a table", diagnostics).named() {
            guard let text = entry.value.string(entry.key, diagnostics) else { continue }
            for part in [entry.key, text] where part.isEmpty || part.utf8.count > Self.longest {
                diagnostics.error(at: entry.position, "a table has texts of 1 to \(Self.longest) bytes, not of \(part.utf8.count)")
            }
            entries[Array(entry.key.utf8)] = Array(text.utf8)
        }
        self.init(name: name, entries: entries)
    }
}

/// A command's or query's parameter that the path gives under another name, or by a table.
public struct RouteParameter: Sendable, Hashable {
    /// As the command knows it.
    public var name: String
    /// The capture it is taken from, and its place among them.
    public var capture: String
    public var place: Int
    /// Index into `RouteTable.translations`; nil = it is taken as it is.
    public var translation: Int?
    /// The table's name.
    public var table: String?

    var setting: String { "\(name) is {\(capture)}" + (table.map { " by the table \($0)" } ?? "") }
}

import Yams

/// What a YAML file says: scalars, lists and maps, each with its place. No tags, anchors or aliases.
public struct Value: Sendable {
    public indirect enum Shape: Sendable {
        /// `plain` = written without quotes: only then may it mean a number, a switch or nothing.
        case scalar(String, plain: Bool)
        case list([Value])
        case map([Entry])
    }

    public struct Entry: Sendable {
        public var key: String
        public var position: SourcePosition
        public var value: Value
    }

    public var shape: Shape
    public var position: SourcePosition

    public init(_ shape: Shape, at position: SourcePosition) {
        self.shape = shape
        self.position = position
    }

    /// `key:` with nothing behind it, `~` or `null`.
    public var isNull: Bool {
        guard case .scalar(let text, plain: true) = shape else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }

    /// "a list", "a map", "nothing", or the scalar itself: for messages.
    public var summary: String {
        switch shape {
        case .list: "a list"
        case .map: "a map"
        case .scalar(let text, _):
            isNull ? "nothing" : "'\(text.count > 60 ? String(text.prefix(60)) + "…" : text)'"
        }
    }
}

/// Reads YAML files into values.
public enum Document {
    /// Bytes a file may have.
    public static let sizeLimit = 1 << 20
    /// Maps and lists inside each other.
    public static let depthLimit = 16

    /// The file at `path`, or nil after reporting why not. An empty file is an empty map.
    public static func read(path: String, _ diagnostics: Diagnostics) -> Value? {
        let start = SourcePosition(file: path)
        guard let bytes = FileBytes.read(path: path, atMost: sizeLimit, at: start, diagnostics) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            diagnostics.error(at: start, "is not UTF-8 text")
            return nil
        }
        return parse(text, file: path, diagnostics)
    }

    /// The text of a file called `file`, or nil after reporting why not.
    public static func parse(_ text: String, file: String, _ diagnostics: Diagnostics) -> Value? {
        guard text.utf8.count <= sizeLimit else {
            diagnostics.error(at: SourcePosition(file: file), "is larger than \(sizeLimit >> 20)MiB")
            return nil
        }
        guard aliases(in: text) <= aliasLimit else {
            diagnostics.error(at: SourcePosition(file: file), "anchors and aliases are not supported")
            return nil
        }
        do {
            // The parser is kept until the tree is copied: nodes know their anchors only that long.
            let parser = try Parser(yaml: text)
            let root = try parser.singleRoot()
            defer { withExtendedLifetime(parser) {} }
            guard let root else { return Value(.map([]), at: SourcePosition(file: file, line: 1, column: 1)) }
            let value = copy(root, file: file, depth: 0, diagnostics)
            if let value, value.isNull { return Value(.map([]), at: value.position) }
            return value
        } catch let error as YamlError {
            report(error, file: file, diagnostics)
        } catch {
            diagnostics.error(at: SourcePosition(file: file), "\(error)")
        }
        return nil
    }

    /// The parser compares keys by all they contain, and a few dozen aliases of aliases contain more
    /// than any machine can compare. So a file with many of them is not even parsed; a file with few
    /// is, and `copy` says where they are.
    private static let aliasLimit = 40

    /// How often a `*` begins a word that could be an alias; text in quotes and comments counts too.
    private static func aliases(in text: String) -> Int {
        var count = 0
        var before: UInt8 = 0x0a
        var star = false
        for byte in text.utf8 {
            let letter = (byte >= 48 && byte <= 57) || ((byte | 0x20) >= 97 && (byte | 0x20) <= 122) || byte == 0x5f || byte == 0x2d
            if star && letter { count += 1 }
            star = byte == 0x2a && [0x20, 0x09, 0x0a, 0x0d, 0x5b, 0x7b, 0x2c].contains(before)
            before = byte
        }
        return count
    }

    private static func copy(_ node: Node, file: String, depth: Int, _ diagnostics: Diagnostics) -> Value? {
        let position = SourcePosition(file: file, line: node.mark?.line ?? 0, column: node.mark?.column ?? 0)
        guard depth <= depthLimit else {
            diagnostics.error(at: position, "is nested deeper than \(depthLimit) levels")
            return nil
        }
        // Without anchors there are no aliases, so a small file cannot unfold into a huge tree.
        guard node.anchor == nil else {
            diagnostics.error(at: position, "anchors and aliases are not supported")
            return nil
        }
        switch node {
        case .scalar(let scalar):
            return Value(.scalar(scalar.string, plain: scalar.style == .plain), at: position)
        case .sequence(let sequence):
            var items: [Value] = []
            for child in sequence {
                if let item = copy(child, file: file, depth: depth + 1, diagnostics) { items.append(item) }
            }
            return Value(.list(items), at: position)
        case .mapping(let mapping):
            var entries: [Value.Entry] = []
            for (key, child) in mapping {
                let place = SourcePosition(file: file, line: key.mark?.line ?? 0, column: key.mark?.column ?? 0)
                guard case .scalar(let name) = key else {
                    diagnostics.error(at: place, "a key must be text")
                    continue
                }
                // The parser compares keys with their types, so it lets `1` pass beside `"1"`.
                if let first = entries.first(where: { $0.key == name.string }) {
                    diagnostics.error(
                        at: place, "duplicate key '\(name.string)'; the first is at \(first.position)")
                    continue
                }
                if let value = copy(child, file: file, depth: depth + 1, diagnostics) {
                    entries.append(Value.Entry(key: name.string, position: place, value: value))
                }
            }
            return Value(.map(entries), at: position)
        case .alias:
            diagnostics.error(at: position, "anchors and aliases are not supported")
            return nil
        }
    }

    private static func report(_ error: YamlError, file: String, _ diagnostics: Diagnostics) {
        func place(_ mark: Mark) -> SourcePosition { SourcePosition(file: file, line: mark.line, column: mark.column) }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let hint =
                problem == "found undefined alias" || problem.hasPrefix("did not find expected alphabetic")
                ? " (text that begins with * or & needs quotes)" : ""
            diagnostics.error(at: place(mark), (context.map { "\($0.text): " } ?? "") + problem + hint)
        case .duplicatedKeysInMapping(let duplicates, let context):
            // The parser tells where the first of them stands.
            diagnostics.error(
                at: place(context.mark),
                "duplicate key \(duplicates.map { "'\($0)'" }.joined(separator: ", ")) in one map; the first is here")
        case .reader(let problem, let offset, _, let yaml):
            let before = yaml.prefix(offset ?? 0)
            let line = before.reduce(into: 1) { if $1.isNewline { $0 += 1 } }
            let column = before.reversed().prefix { !$0.isNewline }.count + 1
            diagnostics.error(at: SourcePosition(file: file, line: line, column: column), problem)
        default:
            diagnostics.error(at: SourcePosition(file: file), "\(error)")
        }
    }
}

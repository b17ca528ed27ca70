public import Contracts
import EventCore
import Glibc
public import Routes
public import Settings

/// The JSON Schemas that bodies are held to and described by: those of the commands, and the files that routes name.
public struct BodySchemas: Sendable {
    /// A schema as it was written, and compiled.
    public struct Entry: Sendable {
        public var schema: JSONSchema
        public var document: JSONValue
    }

    /// By the command's number.
    let commands: [Entry?]
    /// By the path of the file.
    let files: [String: Entry]

    var commandDocuments: [String: JSONValue] {
        var documents: [String: JSONValue] = [:]
        for (name, entry) in zip(Registry.commands, commands) { documents[name] = entry?.document }
        return documents
    }

    var fileDocuments: [String: JSONValue] { files.mapValues(\.document) }

    /// Bytes of a file.
    static let limit = 1 << 20

    /// Reads what the routes of the table need. Check `diagnostics` before using it.
    public init(_ configuration: Configuration, _ table: RouteTable, _ diagnostics: Diagnostics) {
        var files: [String: Entry] = [:]
        var tried: Set<String> = []
        for route in table.routes {
            guard let schema = route.bodySchema, case .file(let path) = schema.source, tried.insert(path).inserted else { continue }
            files[path] = Entry(path: path, namedAt: schema.position, diagnostics)
        }
        self.files = files
        guard let folder = configuration.commandSchemas, folder.position.line > 0 || access(folder.path, F_OK) == 0 else {
            commands = Registry.commands.map { _ in nil }
            BodySchemas.reportMissing(Set(Registry.commands), table, diagnostics)
            return
        }
        let names = FileBytes.names(in: folder.path, ending: ".json", at: folder.position, diagnostics)
        var missing: Set<String> = []
        commands = Registry.commands.map { name in
            guard names.contains("\(name).json") else {
                missing.insert(name)
                return nil
            }
            return Entry(path: "\(folder.path)/\(name).json", namedAt: folder.position, diagnostics)
        }
        for name in names where !Registry.commands.contains(String(name.dropLast(5))) {
            diagnostics.error(
                at: SourcePosition(file: "\(folder.path)/\(name)"),
                "there is no command '\(name.dropLast(5))'" + Spelling.hint(String(name.dropLast(5)), among: Registry.commands))
        }
        BodySchemas.reportMissing(missing, table, diagnostics)
    }

    /// What is not there cannot be enforced.
    private static func reportMissing(_ missing: Set<String>, _ table: RouteTable, _ diagnostics: Diagnostics) {
        for route in table.routes {
            guard let schema = route.bodySchema, schema.source == .command else { continue }
            for target in route.targets {
                let needed: [String] =
                    switch target {
                    case .command(let name, _): [name]
                    case .anyCommand: Registry.commands
                    case .cluster, .query, .operation, .fixed, .topics: []
                    }
                if let name = needed.first(where: { missing.contains($0) }) {
                    diagnostics.error(
                        at: schema.position, "there is no schema of the command '\(name)': see contracts.command_schemas of the configuration")
                }
            }
        }
    }
}

extension BodySchemas.Entry {
    /// Nil after a report.
    fileprivate init?(path: String, namedAt place: SourcePosition, _ diagnostics: Diagnostics) {
        guard let text = FileBytes.read(path: path, atMost: BodySchemas.limit, at: place, diagnostics) else { return nil }
        do throws(JSONSchema.Malformed) {
            schema = try JSONSchema(text.span)
        } catch {
            diagnostics.error(at: SourcePosition(file: path, offset: error.offset, in: text), error.message)
            return nil
        }
        guard let document = try? JSONValue(text.span) else { return nil }
        self.document = document
    }
}

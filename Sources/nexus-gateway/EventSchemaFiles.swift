import Contracts
import EventCore
import Glibc
import Settings

extension EventSchemas {
    /// Reads the schemas of events, one a file, in the folder that the configuration names. The folder that is meant
    /// when none is named need not be there; where commands are taken, that deserves a warning: their events are then
    /// held to nothing.
    static func load(_ configuration: Configuration, takesCommands: Bool, _ diagnostics: Diagnostics) -> EventSchemas {
        var schemas = EventSchemas()
        guard let folder = configuration.eventSchemas else { return schemas }
        if folder.position.line == 0 && access(folder.path, F_OK) != 0 {
            if takesCommands {
                diagnostics.warning(
                    at: folder.position,
                    "there is no such folder, so events are not validated; name it (contracts.event_schemas) or say 'off'")
            }
            return schemas
        }
        for name in FileBytes.names(in: folder.path, ending: ".json", at: folder.position, diagnostics) {
            let path = "\(folder.path)/\(name)"
            let file = SourcePosition(file: path)
            guard let text = FileBytes.read(path: path, atMost: 1 << 20, at: file, diagnostics) else { continue }
            do throws(JSONSchema.Malformed) {
                let schema = try JSONSchema(text.span)
                do throws(EventSchemas.Malformed) {
                    try schemas.add(schema)
                } catch {
                    diagnostics.error(at: file, error.message)
                }
            } catch {
                diagnostics.error(at: SourcePosition(file: path, offset: error.offset, in: text), error.message)
            }
        }
        return schemas
    }
}

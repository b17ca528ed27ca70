public import Contracts

/// The schemas that events are held to before they are stored (SPEC G-3), by the event's type.
public struct EventSchemas: Sendable {
    /// What is wrong with a set of schemas, or with one.
    public struct Malformed: Error, Sendable { public var message: String }

    private var schemas: [String: (version: UInt32, schema: JSONSchema)] = [:]

    public init() {}

    public var count: Int { schemas.count }

    /// Takes in a schema; its `$id` says for which event: `urn:nexus:event:ItemAdded:1`.
    public mutating func add(_ schema: JSONSchema) throws(Malformed) {
        let parts = (schema.id ?? "").split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0..<3] == ["urn", "nexus", "event"], !parts[3].isEmpty, let version = UInt32(parts[4]) else {
            throw Malformed(message: "its $id must be urn:nexus:event:<type>:<version>")
        }
        let type = String(parts[3])
        guard schemas[type] == nil else { throw Malformed(message: "there is another schema of \(type)") }
        schemas[type] = (version, schema)
    }

    /// What keeps an event from being stored; nothing when it fits, or when there is no schema of its type.
    public func violations(ofType type: String, version: UInt32, payload: Span<UInt8>) -> [JSONSchema.Violation] {
        guard let (known, schema) = schemas[type] else { return [] }
        guard known == version else {
            return [JSONSchema.Violation("", "is of version \(version), and the schema of version \(known)")]
        }
        do throws(JSONError) {
            let tape = try JSONTape(payload)
            return schema.accepts(tape, payload) ? [] : schema.violations(tape, payload)
        } catch {
            return [JSONSchema.Violation(error.pointer, "\(error.reason.text)")]
        }
    }
}

/// An event that the rules gave and its schema refused: a mistake in the program or in the contract.
public struct InvalidEvent: Sendable {
    public var type: String
    /// They quote nothing of the event.
    public var violations: [JSONSchema.Violation]
}

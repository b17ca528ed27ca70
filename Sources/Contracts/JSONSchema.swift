/// A compiled JSON Schema of draft 2020-12: its core, applicator, unevaluated and validation vocabularies. What is not
/// known is an error when it is compiled, never ignored; docs/contracts.md lists it.
///
/// References lead into the same document: by pointer, `$anchor`, `$dynamicAnchor`, or the `$id` of a schema embedded in
/// it. `format` is asserted; `contentEncoding` and its kin are annotations, as the draft has it. Numbers are compared to
/// the last digit.
public struct JSONSchema: Sendable {
    /// What a text is instead of what the schema wants.
    public struct Violation: Sendable, Equatable {
        /// RFC 6901, of the value; bounded like `JSONError.pointer`.
        public var pointer: String
        /// Safe to show: it never quotes the value.
        public var error: String

        public init(_ pointer: String, _ error: String) {
            self.pointer = pointer
            self.error = error
        }
    }

    /// Why a document is not a schema we know.
    public struct Malformed: Error, Sendable, Equatable {
        /// Bytes from the beginning of the document.
        public var offset: Int
        public var message: String

        public init(_ message: String, at offset: Int) {
            self.message = message
            self.offset = offset
        }
    }

    /// `$id`, if it has one.
    public let id: String?
    private(set) var nodes: [Node]
    let root: Int

    /// Compiles the schema in a JSON document.
    public init(_ document: Span<UInt8>) throws(Malformed) {
        let tape: JSONTape
        do throws(JSONError) {
            tape = try JSONTape(document, limits: JSONLimits(bytes: 1 << 20, values: 100_000))
        } catch {
            throw Malformed("\(error.reason.text)", at: error.offset)
        }
        var compiler = JSONSchemaCompiler(tape: tape, places: try JSONSchemaPlaces(tape, document))
        root = try compiler.compile(0, document)
        nodes = try compiler.finished()
        id = tape.member("$id", of: 0, in: document).map { String(decoding: tape.string($0, in: document), as: UTF8.self) }
    }

    /// The same schema for values whose members of these names come from elsewhere: at the top they are not required.
    public func without(required names: [String]) -> JSONSchema {
        var relaxed = self
        for (i, member) in nodes[root].members.enumerated()
        where member.isRequired && names.contains(String(decoding: member.name, as: UTF8.self)) {
            relaxed.nodes[root].members[i].isRequired = false
            relaxed.nodes[root].requiredCount -= 1
        }
        return relaxed
    }

    /// Does the text that the tape was made of fit?
    public func accepts(_ tape: JSONTape, _ text: Span<UInt8>) -> Bool {
        var findings = JSONSchemaFindings(most: 0, tape, text)
        return check(root, 0, tape, text, &findings)
    }

    /// What does not fit, `most` of it.
    public func violations(_ tape: JSONTape, _ text: Span<UInt8>, most: Int = 16) -> [Violation] {
        var findings = JSONSchemaFindings(most: most, tape, text)
        let fits = check(root, 0, tape, text, &findings)
        // Out of breath, what was found may be wrong.
        if !fits && findings.left <= 0 { return [Violation("", "takes too long to check")] }
        return findings.list
    }
}

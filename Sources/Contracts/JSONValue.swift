/// A JSON document as a tree, for cold paths (schemas, settings of contracts, tests). Members keep
/// their order and numbers their text.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public struct Member: Sendable, Equatable {
        public var name: String
        public var value: JSONValue
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Reads one JSON text; the same strictness and limits as `JSONTape`.
    public init(_ text: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        self.init(try JSONTape(text, limits: limits), 0, text)
    }

    /// The value of the member `name` of an object, else nil.
    public subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    // Recursion is bounded by the depth the tape was read with.
    private init(_ tape: JSONTape, _ i: Int, _ text: Span<UInt8>) {
        func string(_ i: Int) -> String { String(decoding: tape.string(i, in: text), as: UTF8.self) }
        let end = tape.next(i)
        var at = i + 1
        switch tape[i].kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(string(i))
        case .string: self = .string(string(i))
        case .array:
            var items: [JSONValue] = []
            while at < end {
                items.append(JSONValue(tape, at, text))
                at = tape.next(at)
            }
            self = .array(items)
        case .object:
            var members: [Member] = []
            while at < end {
                members.append(Member(string(at), JSONValue(tape, at + 1, text)))
                at = tape.next(at + 1)
            }
            self = .object(members)
        }
    }

    /// Writes the tree, compactly.
    public func write<Sink: JSONSink>(to json: inout JSONWriter<Sink>) {
        switch self {
        case .null: json.null()
        case .bool(let value): json.bool(value)
        case .number(let text): json.number(text: text)
        case .string(let text): json.string(text)
        case .array(let items):
            json.beginArray()
            for item in items { item.write(to: &json) }
            json.endArray()
        case .object(let members):
            json.beginObject()
            for member in members {
                json.name(member.name)
                member.value.write(to: &json)
            }
            json.endObject()
        }
    }
}

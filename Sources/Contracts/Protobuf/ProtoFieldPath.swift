import Exchanges

/// A field reached from a message type through singular messages: `item.product_id`. A few numbers,
/// no reference; it belongs to the schema that made it.
public struct ProtoFieldPath: Sendable, BitwiseCopyable {
    /// Parts a path may have.
    public static let maximum = 16

    /// In `ProtoSchema.fields`, from the outside in.
    private var steps: InlineArray<16, Int32>
    let count: Int
    /// The message type it begins in.
    public let type: Int

    init(_ steps: InlineArray<16, Int32>, count: Int, type: Int) {
        self.steps = steps
        self.count = count
        self.type = type
    }

    func step(_ level: Int) -> Int { Int(steps[level]) }
    var last: Int { step(count - 1) }
}

extension ProtoSchema {
    /// The field that `name` (`a.b.c`, each part a JSON or original name) leads to from a message of the type
    /// `type`. All parts but the last must be single messages. Allocates only to report an error.
    public func path(_ name: Span<UInt8>, in type: Int) throws(ProtoJSONError) -> ProtoFieldPath {
        var steps = InlineArray<16, Int32>(repeating: -1)
        var count = 0
        var inside = type
        var start = 0
        while true {
            var end = start
            while end < name.count, name[end] != UInt8(ascii: ".") { end += 1 }
            let found = field(named: name.extracting(start..<end), of: messages[inside])
            guard found >= 0 else {
                throw Self.error(name, "is no field of \(string(messages[inside].name))", upTo: end)
            }
            guard count < ProtoFieldPath.maximum else { throw Self.error(name, "has too many parts", upTo: end) }
            steps[count] = Int32(found)
            count += 1
            if end == name.count { return ProtoFieldPath(steps, count: count, type: type) }
            let field = fields[found]
            guard field.kind.isMessage, !field.isRepeated else {
                throw Self.error(name, "is no single message, so it has no fields", upTo: end)
            }
            inside = Int(field.type)
            start = end + 1
        }
    }

    public func path(_ name: String, in type: Int) throws(ProtoJSONError) -> ProtoFieldPath {
        try path(name.utf8Span.span, in: type)
    }

    /// Can the field be given as text, repeated ones one text each: a scalar, an enum, bytes, a wrapper, a
    /// Timestamp, Duration or FieldMask?
    public func takesText(_ path: ProtoFieldPath) -> Bool {
        let field = fields[path.last]
        guard field.kind.isMessage else { return true }
        let type = messages[Int(field.type)].wellKnown
        return type.isText || type == .wrapper
    }

    /// Does the field hold a list or map?
    public func isRepeated(_ path: ProtoFieldPath) -> Bool { fields[path.last].isRepeated }

    /// Is it a string field that can be read with `field(_:of:)`?
    public func isString(_ path: ProtoFieldPath) -> Bool { fields[path.last].kind == .string && !isRepeated(path) }

    /// `a.b.c` in original names.
    public func name(of path: ProtoFieldPath) -> String {
        (0..<path.count).map { string(fields[path.step($0)].name) }.joined(separator: ".")
    }

    /// The pointer to the first `end` bytes of a dotted name.
    private static func error(_ name: Span<UInt8>, _ text: String, upTo end: Int) -> ProtoJSONError {
        var pointer = ""
        for part in name.extracting(0..<end).text.split(separator: ".", omittingEmptySubsequences: false) {
            pointer = JSONError.pointer(pointer, Array(part.utf8))
        }
        return ProtoJSONError(pointer, text)
    }

    func pointer(_ path: ProtoFieldPath) -> String {
        (0..<path.count).reduce("") { JSONError.pointer($0, text.copy(fields[path.step($1)].name)) }
    }
}

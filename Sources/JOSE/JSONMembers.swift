internal import Contracts
internal import Exchanges

/// The members of one object of a text that was read; the text is handed in again.
struct JSONMembers {
    let tape: JSONTape
    let object: Int

    var isObject: Bool { tape[object].kind == .object }

    func has(_ name: StaticString, in text: Span<UInt8>) -> Bool { tape.member(name, of: object, in: text) != nil }

    /// A text; nil when it is absent.
    func string(_ name: StaticString, in text: Span<UInt8>) throws(KeyFault) -> [UInt8]? {
        guard let at = tape.member(name, of: object, in: text) else { return nil }
        guard tape[at].kind == .string else { throw .badMember }
        return tape.string(at, in: text)
    }

    /// An array of texts; nil when it is absent.
    func strings(_ name: StaticString, in text: Span<UInt8>) throws(KeyFault) -> [[UInt8]]? {
        guard let array = tape.member(name, of: object, in: text) else { return nil }
        guard tape[array].kind == .array else { throw .badMember }
        var found: [[UInt8]] = []
        var at = array + 1
        while at < tape.next(array) {
            guard tape[at].kind == .string else { throw .badMember }
            found.append(tape.string(at, in: text))
            at = tape.next(at)
        }
        return found
    }

    /// Bytes as base64url; they have to be there.
    func bytes(_ name: StaticString, in text: Span<UInt8>) throws(KeyFault) -> [UInt8] {
        guard let string = try string(name, in: text), let bytes = Base64URL.decode(string.span) else { throw .badMember }
        return bytes
    }

    /// A number as big-endian bytes, without the zeros that some libraries put before it (RFC 7518 section 6.3.1.1).
    func number(_ name: StaticString, in text: Span<UInt8>) throws(KeyFault) -> [UInt8] {
        let bytes = try bytes(name, in: text)
        guard !bytes.isEmpty else { throw .badMember }
        return Array(bytes.drop { $0 == 0 })
    }
}

extension JSONTape {
    /// Is the string (or name) at `i` equal to `other`, after unescaping?
    @inline(__always) func string(_ i: Int, equals other: [UInt8], in text: Span<UInt8>) -> Bool {
        let entry = self[i]
        return entry.escaped ? string(i, in: text) == other : text.extracting(entry.text.range).equals(other)
    }
}

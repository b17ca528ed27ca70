import Contracts
import Exchanges

extension Registry {
    /// The command in a JSON body and in the path it came to: each of `members` counts as a member of the body's
    /// root, and where the body has it too, both must say the same. No body is an empty object.
    /// - Parameter members: parts of the path, percent-decoded; names in camelCase, as proto JSON writes them.
    public static func decode(
        command index: Int, body: Span<UInt8>, path members: [(name: String, value: [UInt8])]
    ) -> Result<Request, Invalid> {
        guard !members.isEmpty else { return decode(command: index, body: body) }
        if body.isEmpty {
            let empty = Array("{}".utf8)
            return decode(command: index, object: empty.span, path: members)
        }
        return decode(command: index, object: body, path: members)
    }

    private static func decode(
        command index: Int, object text: Span<UInt8>, path members: [(name: String, value: [UInt8])]
    ) -> Result<Request, Invalid> {
        // What cannot be read, or is no object, is told by the one who reads it in earnest.
        guard let tape = try? JSONTape(text, limits: JSONLimits(values: 4096)), tape[0].kind == .object else {
            return decode(command: index, body: text)
        }
        var wrong: [Invalid.Field] = []
        let merged = Buffer(capacity: text.count + 256)
        var json = JSONWriter(merged)
        json.beginObject()
        for (name, value) in members {
            guard String(validating: value, as: UTF8.self) != nil else {
                wrong.append(.init("/" + name, "must be UTF-8"))
                continue
            }
            if let given = tape.member(named: name, in: text) {
                if !tape.isText(given, value, in: text) { wrong.append(.init("/" + name, "is another one in the path")) }
                continue
            }
            json.name(name)
            json.string(utf8: value.span)
        }
        guard wrong.isEmpty else { return .failure(Invalid("the command is not valid", wrong)) }
        // The object's own members, with its bracket.
        let rest = (Int(tape[0].text.start) + 1)..<tape[0].text.end
        if merged.count > 1, tape.next(0) > 1 { merged.append(0x2c) }
        merged.append(text.extracting(rest))
        return merged.withReadable { decode(command: index, body: $0) }
    }
}

extension JSONTape {
    /// The value of the root's member with this name, in either spelling.
    fileprivate func member(named name: String, in text: Span<UInt8>) -> Int? {
        let names = [Array(name.utf8), Array(name.snakeCase.utf8)]
        var at = 1
        while at < next(0) {
            if names.contains(string(at, in: text)) { return at + 1 }
            at = next(at + 1)
        }
        return nil
    }

    /// Does the value say `bytes`, as a string or as a number?
    fileprivate func isText(_ at: Int, _ bytes: [UInt8], in text: Span<UInt8>) -> Bool {
        switch self[at].kind {
        case .string: string(at, in: text) == bytes
        case .number: text.extracting(self[at].text.range).equals(bytes)
        case .null, .true, .false, .array, .object: false
        }
    }
}

extension String {
    /// `orderId` → `order_id`
    fileprivate var snakeCase: String {
        var out = ""
        for character in self {
            if character.isUppercase { out += "_" }
            out += character.lowercased()
        }
        return out
    }
}

import Exchanges

/// From text to tape in one pass, without recursion: the open container is an index, and while a
/// container is open its entry's `next` holds the container around it.
struct JSONParser {
    var entries: [JSONTape.Entry] = []
    private let limits: JSONLimits
    private var at = 0
    private var open = JSONParser.none
    private var depth = 0

    private static let none = UInt32.max

    init(limits: JSONLimits) { self.limits = limits }

    mutating func parse(_ text: Span<UInt8>) throws(JSONError) {
        guard text.count <= limits.bytes else { throw JSONError(.tooLarge, offset: limits.bytes) }
        skipSpace(text)
        guard at < text.count else { throw JSONError(.empty, offset: at) }
        var more = true
        while more {
            let opened = try value(text)
            more = try opened ? afterOpening(text) : afterValue(text)
        }
        skipSpace(text)
        guard at == text.count else { throw fail(.trailingBytes, text) }
    }

    // MARK: - Structure

    /// Reads a scalar, or opens a container and answers true.
    private mutating func value(_ text: Span<UInt8>) throws(JSONError) -> Bool {
        skipSpace(text)
        switch try current(text) {
        case UInt8(ascii: "{"): return try begin(.object, text)
        case UInt8(ascii: "["): return try begin(.array, text)
        case UInt8(ascii: "\""): try string(text)
        case UInt8(ascii: "t"): try literal("true", .true, text)
        case UInt8(ascii: "f"): try literal("false", .false, text)
        case UInt8(ascii: "n"): try literal("null", .null, text)
        case UInt8(ascii: "-"), 48...57: try number(text)
        default: throw fail(.unexpectedByte, text)
        }
        return false
    }

    private mutating func begin(_ kind: JSONTape.Kind, _ text: Span<UInt8>) throws(JSONError) -> Bool {
        guard depth < limits.depth else { throw fail(.tooDeep, text) }
        depth += 1
        let container = UInt32(entries.count)
        try push(kind, Slice(at, at + 1), next: open, text)
        open = container
        at += 1
        return true
    }

    /// After `{` or `[`: an empty container ends at once, an object goes on with a name.
    private mutating func afterOpening(_ text: Span<UInt8>) throws(JSONError) -> Bool {
        skipSpace(text)
        let isObject = entries[Int(open)].kind == .object
        let byte = try current(text)
        if byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            try close(text)
            return try afterValue(text)
        }
        if isObject { try name(text) }
        return true
    }

    /// After a value: a comma goes on, a bracket closes; false when the document is complete.
    private mutating func afterValue(_ text: Span<UInt8>) throws(JSONError) -> Bool {
        while open != JSONParser.none {
            skipSpace(text)
            let isObject = entries[Int(open)].kind == .object
            switch try current(text) {
            case UInt8(ascii: ","):
                at += 1
                if isObject {
                    skipSpace(text)
                    try name(text)
                }
                return true
            case UInt8(ascii: "}") where isObject, UInt8(ascii: "]") where !isObject: try close(text)
            default: throw fail(.unexpectedByte, text)
            }
        }
        return false
    }

    private mutating func name(_ text: Span<UInt8>) throws(JSONError) {
        guard try current(text) == UInt8(ascii: "\"") else { throw fail(.unexpectedByte, text) }
        try string(text)
        skipSpace(text)
        guard try current(text) == UInt8(ascii: ":") else { throw fail(.unexpectedByte, text) }
        at += 1
    }

    private mutating func close(_ text: Span<UInt8>) throws(JSONError) {
        let container = Int(open)
        at += 1
        if entries[container].kind == .object { try refuseDuplicates(in: container, text) }
        open = entries[container].next
        entries[container].next = UInt32(entries.count)
        entries[container].text = Slice(Int(entries[container].text.start), at)
        depth -= 1
    }

    private mutating func push(
        _ kind: JSONTape.Kind, escaped: Bool = false, _ slice: Slice, next: UInt32? = nil, _ text: Span<UInt8>
    ) throws(JSONError) {
        guard entries.count < limits.values else { throw fail(.tooManyValues, text) }
        entries.append(
            JSONTape.Entry(kind: kind, escaped: escaped, text: slice, next: next ?? UInt32(entries.count + 1)))
    }

    // MARK: - Scalars

    private mutating func literal(
        _ word: StaticString, _ kind: JSONTape.Kind, _ text: Span<UInt8>
    ) throws(JSONError) {
        let end = at + word.utf8CodeUnitCount
        guard end <= text.count, text.extracting(at..<end).equals(word) else { throw fail(.invalidLiteral, text) }
        try push(kind, Slice(at, end), text)
        at = end
    }

    private mutating func number(_ text: Span<UInt8>) throws(JSONError) {
        let end = JSONNumber.end(text, from: at)
        guard end > at else { throw fail(.invalidNumber, text) }
        try push(.number, Slice(at, end), text)
        at = end
    }

    private mutating func string(_ text: Span<UInt8>) throws(JSONError) {
        let start = at + 1
        var escaped = false
        at = start
        while at < text.count {
            if at &+ 8 <= text.count,
                JSONString.isPlain(text.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
            {
                at &+= 8
                continue
            }
            let byte = text[at]
            if byte == UInt8(ascii: "\"") {
                try push(.string, escaped: escaped, Slice(start, at), text)
                at += 1
                return
            }
            if byte == UInt8(ascii: "\\") {
                escaped = true
                switch JSONString.escapeLength(text, at: at) {
                case .success(let n): at += n
                case .failure(let error): throw fail(error.reason, text)
                }
            } else if byte < 0x20 {
                throw fail(.controlCharacter, text)
            } else if byte < 0x80 {
                at &+= 1
            } else {
                let n = JSONString.scalarLength(text, at: at)
                guard n > 0 else { throw fail(.invalidUTF8, text) }
                at += n
            }
        }
        throw fail(.unexpectedEnd, text)
    }

    // MARK: - Names used twice

    private func refuseDuplicates(in object: Int, _ text: Span<UInt8>) throws(JSONError) {
        var members = 0
        var name = object + 1
        while name < entries.count {
            members += 1
            // Few members: compare each with those before it. Many: one pass over hashes instead,
            // so that an object of n names costs no n².
            if members > 16 { return try refuseDuplicatesByHash(in: object, text) }
            var earlier = object + 1
            while earlier < name {
                if sameName(earlier, name, text) { throw duplicate(name, text) }
                earlier = Int(entries[earlier + 1].next)
            }
            name = Int(entries[name + 1].next)
        }
    }

    private func refuseDuplicatesByHash(in object: Int, _ text: Span<UInt8>) throws(JSONError) {
        var seen = Set<Name>()
        var name = object + 1
        while name < entries.count {
            guard seen.insert(Name(bytes: decoded(name, text))).inserted else { throw duplicate(name, text) }
            name = Int(entries[name + 1].next)
        }
    }

    /// Hashed as one run of bytes, with the process's random seed: names chosen to collide do not.
    private struct Name: Hashable {
        let bytes: [UInt8]
        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    private func sameName(_ a: Int, _ b: Int, _ text: Span<UInt8>) -> Bool {
        let (left, right) = (entries[a], entries[b])
        if left.escaped || right.escaped { return decoded(a, text) == decoded(b, text) }
        guard left.text.count == right.text.count else { return false }
        var i = 0
        while i < Int(left.text.count) {
            if text[Int(left.text.start) + i] != text[Int(right.text.start) + i] { return false }
            i += 1
        }
        return true
    }

    private func decoded(_ i: Int, _ text: Span<UInt8>) -> [UInt8] {
        let raw = text.extracting(entries[i].text.range)
        return entries[i].escaped ? JSONString.unescaped(raw) : raw.bytes
    }

    private func duplicate(_ name: Int, _ text: Span<UInt8>) -> JSONError {
        var error = JSONError(.duplicateName, offset: Int(entries[name].text.start) - 1, pointer: pointer(text))
        error.pointer.append(step: decoded(name, text))
        return error
    }

    // MARK: - Bytes and errors

    @inline(__always) private mutating func skipSpace(_ text: Span<UInt8>) {
        while at < text.count {
            let byte = text[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at &+= 1
        }
    }

    @inline(__always) private func current(_ text: Span<UInt8>) throws(JSONError) -> UInt8 {
        guard at < text.count else { throw fail(.unexpectedEnd, text) }
        return text[at]
    }

    private func fail(_ reason: JSONError.Reason, _ text: Span<UInt8>) -> JSONError {
        JSONError(reason, offset: at, pointer: pointer(text))
    }

    /// Where we are, from the containers still open.
    private func pointer(_ text: Span<UInt8>) -> String {
        var chain: [Int] = []
        var container = open
        while container != JSONParser.none {
            chain.append(Int(container))
            container = entries[Int(container)].next
        }
        var pointer = ""
        for (level, container) in chain.enumerated().reversed() {
            let inner = level > 0 ? chain[level - 1] : entries.count
            let isObject = entries[container].kind == .object
            var child = container + 1
            var index = 0
            // Over the finished children up to the one being read.
            while child < inner {
                let value = isObject ? child + 1 : child
                if value >= inner { break }
                child = Int(entries[value].next)
                index += 1
            }
            if !isObject {
                pointer.append(step: Array(String(index).utf8))
            } else if child < inner {
                pointer.append(step: decoded(child, text))
            }
        }
        return pointer
    }
}

extension String {
    /// Adds one reference token (RFC 6901), unless the pointer becomes longer than 256 bytes.
    mutating func append(step: [UInt8]) {
        guard utf8.count + step.count < 256 else { return }
        append("/")
        for scalar in String(decoding: step, as: UTF8.self).unicodeScalars {
            switch scalar {
            case "~": append("~0")
            case "/": append("~1")
            default: unicodeScalars.append(scalar)
            }
        }
    }
}

// Holds JSON texts to JSON Schemas, for tests in other languages:
//   schema-filter < records > answers
// A record is a schema, the number of its texts, and the texts; lengths and numbers are 4 bytes, little-endian, and a
// length stands before each. An answer is its length (the same) and then `!`, an offset, a space and why the schema is
// refused; or a sign for each text: `+` it fits, `-` it does not, `?` it is no JSON, `…` it takes too long to check.
import Contracts
import Glibc

func readExactly(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var have = 0
    while have < count {
        let n = bytes.withUnsafeMutableBytes { Glibc.read(0, $0.baseAddress.map { $0 + have }, count - have) }
        guard n > 0 else { return nil }
        have += n
    }
    return bytes
}

func readNumber() -> Int? {
    readExactly(4).map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
}

func writeAll(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
        let n = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
        guard n > 0 else { exit(1) }
        sent += n
    }
}

func sign(_ text: [UInt8], _ schema: JSONSchema) -> String {
    guard let tape = try? JSONTape(text.span) else { return "?" }
    if schema.accepts(tape, text.span) { return "+" }
    // Both ways of checking have to agree.
    let violations = schema.violations(tape, text.span)
    guard let first = violations.first else { return "!" }
    return first.error == "takes too long to check" ? "…" : "-"
}

while let count = readNumber() {
    guard let document = readExactly(count), let texts = readNumber() else { exit(2) }
    var answer = ""
    var schema: JSONSchema?
    do throws(JSONSchema.Malformed) {
        schema = try JSONSchema(document.span)
    } catch {
        answer = "!\(error.offset) \(error.message)"
    }
    for _ in 0..<texts {
        guard let length = readNumber(), let text = readExactly(length) else { exit(2) }
        if let schema { answer += sign(text, schema) }
    }
    let bytes = Array(answer.utf8)
    let size = UInt32(bytes.count)
    writeAll((0..<4).map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) } + bytes)
}

// Puts messages through the transcoder, for tests in other languages:
//   message-filter SET.binpb < records > answers
//   message-filter SET.binpb TIMES < records > answers
// A record is its length (4 bytes, little-endian) and then a direction (`j` message to JSON, `m` JSON to
// message, `d` with defaults printed), the length of a type's full name (1 byte), that name, and the input.
// An answer is its length (the same) and then `+` and the output, or `-`, a JSON Pointer, a space and a text.
// With TIMES each record is done so often and the answer is the nanoseconds of CPU of one time instead.
import Contracts
import Exchanges
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

func writeAll(_ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
        let n = bytes.withUnsafeBytes { Glibc.write(1, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
        guard n > 0 else { exit(1) }
        sent += n
    }
}

func fail(_ text: String) -> Never {
    let line = Array((text + "\n").utf8)
    _ = line.withUnsafeBytes { Glibc.write(2, $0.baseAddress, line.count) }
    exit(2)
}

func contents(of path: String) -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { fail("cannot read \(path)") }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65536)
    while true {
        let n = part.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard n > 0 else { break }
        bytes += part[..<n]
    }
    close(file)
    return bytes
}

func nanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// One record through the transcoder; false when it was refused, and then `out` says why.
func put(
    _ record: [UInt8], _ type: Int, from start: Int, _ schema: ProtoSchema, _ transcoder: inout ProtoTranscoder, _ out: Buffer
) -> Bool {
    let input = record.span.extracting(start...)
    var options = ProtoJSONOptions()
    options.printsDefaults = record[0] == UInt8(ascii: "d")
    do throws(ProtoJSONError) {
        if record[0] == UInt8(ascii: "m") {
            try transcoder.appendMessage(json: input, type: type, schema, options: options, into: out)
        } else {
            try transcoder.appendJSON(message: input, type: type, schema, options: options, into: out)
        }
        return true
    } catch {
        out.append(error.pointer + " " + error.text)
        return false
    }
}

func run(_ path: String, times: Int?) {
    let schema: ProtoSchema
    do throws(ProtoSchemaError) {
        schema = try ProtoSchema([ProtoDescriptorSet(name: path, bytes: contents(of: path))])
    } catch {
        fail(error.description)
    }
    var transcoder = ProtoTranscoder()
    let out = Buffer(capacity: 4096)
    while let head = readExactly(4) {
        let count = head.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard count >= 2, let record = readExactly(count), record.count >= 2 + Int(record[1]) else { fail("a record is cut off") }
        let start = 2 + Int(record[1])
        guard let type = schema.message(named: record.span.extracting(2..<start)) else { fail("a record names an unknown type") }
        out.clear()
        var isDone = put(record, type, from: start, schema, &transcoder, out)
        if let times, isDone {
            let begin = nanoseconds()
            for _ in 0..<times {
                out.clear()
                isDone = put(record, type, from: start, schema, &transcoder, out) && isDone
            }
            let each = (nanoseconds() - begin) / UInt64(times)
            out.clear()
            out.append(decimal: each)
        }
        let size = UInt32(out.count + 1)
        writeAll((0..<4).map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) } + [isDone ? UInt8(ascii: "+") : UInt8(ascii: "-")] + out.copyReadable())
    }
}

guard CommandLine.arguments.count >= 2 else { fail("usage: message-filter SET.binpb [TIMES]") }
run(CommandLine.arguments[1], times: CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) : nil)

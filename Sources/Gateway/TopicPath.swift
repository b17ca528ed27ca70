import Exchanges

/// A topic, a filter or a client identifier as the path of its exchange: `/`, then its levels, percent-encoded where a path
/// needs that (RFC 3986 section 3.3), so that templates, captures, policies and upstreams see the one form they know. The
/// wildcards of a filter stay as they are: no literal of a route is equal to them.
enum TopicPath {
    /// Bytes of a topic, a filter or a client identifier, at most.
    static let longest = 1024

    /// Appends the path. False = it has a level `.` or `..`, or is too long: upstreams would take those for steps in the path.
    static func append(_ topic: borrowing Span<UInt8>, into out: Buffer) -> Bool {
        let n = topic.count
        guard n <= longest else { return false }
        out.append(0x2f)
        var level = 0
        var hasOnlyDots = true
        for i in 0..<n {
            let byte = topic[i]
            if byte == 0x2f {
                if isStep(i - level, hasOnlyDots) { return false }
                level = i + 1
                hasOnlyDots = true
            } else if byte != 0x2e {
                hasOnlyDots = false
            }
            if isPlain(byte) {
                out.append(byte)
            } else {
                out.append(0x25)
                out.append(digit(byte >> 4))
                out.append(digit(byte & 15))
            }
        }
        return !isStep(n - level, hasOnlyDots)
    }

    private static func isStep(_ count: Int, _ hasOnlyDots: Bool) -> Bool { hasOnlyDots && (count == 1 || count == 2) }

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 48 &+ nibble : 55 &+ nibble }

    /// What stands in a path as it is: unreserved characters, sub-delimiters, `:`, `@`, the slash between levels, and `#`,
    /// which only filters have.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23, 0x24, 0x26...0x2f, 0x3a, 0x3b, 0x3d, 0x40, 0x5f, 0x7e: true
        default: false
        }
    }
}

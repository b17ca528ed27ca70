public import Exchanges

/// The one form of a path that matching, policy and forwarding share (SPEC 28.1, RFC 3986 section 6):
/// percent-encoded unreserved characters decoded, other escapes kept with upper-case digits (`%2F`
/// stays `%2F`), dot segments removed, empty segments merged. `%00`, malformed escapes and a path
/// that climbs above its root are refused.
///
/// The form is never longer than its source, so it is written over it.
public enum PathNormalForm {
    /// Normalises `slice` of `text` in place and returns where it stands now; nil = refused.
    public static func normalise(_ slice: Slice, in text: inout MutableSpan<UInt8>) -> Slice? {
        let range = slice.range
        guard !range.isEmpty, text[range.lowerBound] == 0x2f else {
            return range.count == 1 ? slice : nil  // "*"
        }
        if text.span.isPlainPath(in: range) { return slice }  // by far the most frequent
        guard let decodedEnd = decode(range, &text) else { return nil }
        return removeDots(range.lowerBound..<decodedEnd, &text)
    }

    /// Step one: escapes. Returns the new end.
    private static func decode(_ range: Range<Int>, _ text: inout MutableSpan<UInt8>) -> Int? {
        var from = range.lowerBound
        var to = from
        while from < range.upperBound {
            let byte = text[from]
            guard byte == 0x25 else {
                text[to] = byte
                to &+= 1
                from &+= 1
                continue
            }
            guard from &+ 2 < range.upperBound, let high = text[from &+ 1].hexValue, let low = text[from &+ 2].hexValue
            else { return nil }
            let value = high << 4 | low
            if value == 0 { return nil }
            if ByteClass.isUnreserved(value) {
                text[to] = value
                to &+= 1
            } else {
                text[to] = 0x25
                text[to &+ 1] = upperHex(high)
                text[to &+ 2] = upperHex(low)
                to &+= 3
            }
            from &+= 3
        }
        return to
    }

    /// Step two: `.`, `..` and empty segments. A final `.` or `..` leaves its slash.
    private static func removeDots(_ range: Range<Int>, _ text: inout MutableSpan<UInt8>) -> Slice? {
        let start = range.lowerBound
        var from = start
        var to = start
        while from < range.upperBound {
            // `from` stands on a slash; the segment goes to the next one.
            var segmentEnd = from &+ 1
            while segmentEnd < range.upperBound && text[segmentEnd] != 0x2f { segmentEnd &+= 1 }
            let length = segmentEnd &- from &- 1
            let isLast = segmentEnd == range.upperBound
            let isDot = length == 1 && text[from &+ 1] == 0x2e
            let isDotDot = length == 2 && text[from &+ 1] == 0x2e && text[from &+ 2] == 0x2e
            if isDotDot {
                guard to > start else { return nil }
                repeat { to &-= 1 } while text[to] != 0x2f
            }
            if isDot || isDotDot || length == 0 {
                if isLast {
                    text[to] = 0x2f
                    to &+= 1
                }
            } else {
                for i in 0...length { text[to &+ i] = text[from &+ i] }
                to &+= length &+ 1
            }
            from = segmentEnd
        }
        return Slice(start, to)
    }

    private static func upperHex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 48 &+ nibble : 55 &+ nibble }
}

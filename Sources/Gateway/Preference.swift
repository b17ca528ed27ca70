import Exchanges

/// `Prefer` (RFC 7240).
enum Preference {
    /// The longest wait that is honoured, in seconds.
    static let longestWait = 60

    /// The seconds of `wait=N`, at most `longestWait`; nil = it is not said, or not as a number. Of several the
    /// first counts.
    static func wait(_ head: borrowing Head, in text: borrowing Span<UInt8>) -> Int? {
        for field in head.fields where field.name == .prefer {
            let value = text.extracting(field.value.range)
            var start = 0
            while start < value.count {
                let end = endOfPreference(value, from: start)
                let name = part(of: value, start..<end, upTo: 0x3d)
                if value.extracting(name).equalsIgnoringCase("wait") { return seconds(value, name.upperBound..<end) }
                start = end + 1
            }
        }
        return nil
    }

    /// Where the comma stands that ends it; not one inside a quoted string.
    private static func endOfPreference(_ value: borrowing Span<UInt8>, from start: Int) -> Int {
        var at = start
        var isQuoted = false
        while at < value.count, isQuoted || value[at] != 0x2c {
            if value[at] == 0x22 { isQuoted.toggle() }
            at += isQuoted && value[at] == 0x5c ? 2 : 1
        }
        return min(at, value.count)
    }

    /// The number behind the equals sign in `range`, bare or quoted.
    private static func seconds(_ value: borrowing Span<UInt8>, _ range: Range<Int>) -> Int? {
        var at = range.lowerBound
        while at < range.upperBound, value[at] != 0x3d { at += 1 }
        guard at < range.upperBound else { return nil }
        var number = part(of: value, (at + 1)..<range.upperBound, upTo: 0x3b)
        if number.count >= 2, value[number.lowerBound] == 0x22, value[number.upperBound - 1] == 0x22 {
            number = (number.lowerBound + 1)..<(number.upperBound - 1)
        }
        return value.extracting(number).decimal.map { min($0, longestWait) }
    }

    /// What stands in `range` before the first `mark`, without white space around it.
    private static func part(of value: borrowing Span<UInt8>, _ range: Range<Int>, upTo mark: UInt8) -> Range<Int> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var end = range.lowerBound
        while end < range.upperBound, value[end] != mark { end += 1 }
        var start = range.lowerBound
        while start < end, isSpace(value[start]) { start += 1 }
        while end > start, isSpace(value[end - 1]) { end -= 1 }
        return start..<end
    }
}

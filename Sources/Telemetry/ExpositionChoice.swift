import Exchanges

extension Exposition {
    /// Which format an Accept field asks for (RFC 9110 section 12.5.1).
    ///
    /// OpenMetrics only when it is named, with a version we speak, and not weighed below plain text;
    /// everything else, also a missing or unreadable field, gets the older format every scraper reads.
    public static func choose(accept: borrowing Span<UInt8>) -> Exposition {
        var openMetrics = -1
        var plain = -1
        var start = 0
        var members = 0
        while start <= accept.count && members < 32 {
            var end = start
            while end < accept.count && accept[end] != UInt8(ascii: ",") { end += 1 }
            let range = MediaRange(accept.extracting(start..<end))
            if range.isOpenMetrics {
                openMetrics = max(openMetrics, range.weight)
            } else if range.isPlainText {
                plain = max(plain, range.weight)
            }
            start = end + 1
            members += 1
        }
        return openMetrics > 0 && openMetrics >= plain ? .openMetrics : .prometheus
    }
}

/// One member of an Accept field, reduced to what the choice needs.
private struct MediaRange {
    var isOpenMetrics = false
    var isPlainText = false
    /// Thousandths.
    var weight = 1000

    init(_ member: borrowing Span<UInt8>) {
        var versionSpoken = true
        var start = 0
        var isFirst = true
        while start <= member.count {
            var end = start
            while end < member.count && member[end] != UInt8(ascii: ";") { end += 1 }
            let part = member.extracting(trimmed(start..<end, of: member))
            if isFirst {
                isOpenMetrics = part.equalsIgnoringCase("application/openmetrics-text")
                isPlainText = part.equalsIgnoringCase("text/plain")
                isFirst = false
            } else if part.count > 2 && part[0].asciiLowercased == UInt8(ascii: "q") && part[1] == UInt8(ascii: "=") {
                weight = thousandths(part.extracting(2..<part.count))
            } else if part.count > 8 && part.extracting(0..<8).equalsIgnoringCase("version=") {
                let version = part.extracting(8..<part.count)
                versionSpoken =
                    version.equals("1.0.0") || version.equals("0.0.1") || version.equals("\"1.0.0\"")
                    || version.equals("\"0.0.1\"")
            }
            start = end + 1
        }
        if isOpenMetrics && !versionSpoken { isOpenMetrics = false }
    }
}

/// `range` of `span` without white space at its ends.
private func trimmed(_ range: Range<Int>, of span: borrowing Span<UInt8>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end && (span[start] == 0x20 || span[start] == 0x09) { start += 1 }
    while end > start && (span[end - 1] == 0x20 || span[end - 1] == 0x09) { end -= 1 }
    return start..<end
}

/// A weight as thousandths; what is not a weight counts as 0, so that nonsense asks for nothing.
private func thousandths(_ text: borrowing Span<UInt8>) -> Int {
    guard text.count >= 1 && text.count <= 5 && (text[0] == 48 || text[0] == 49) else { return 0 }
    var value = Int(text[0] - 48) * 1000
    if text.count > 1 {
        guard text[1] == UInt8(ascii: ".") else { return 0 }
        var scale = 100
        for i in 2..<max(2, text.count) {
            let digit = text[i] &- 48
            guard digit < 10 else { return 0 }
            value += Int(digit) * scale
            scale /= 10
        }
    }
    return value <= 1000 ? value : 0
}

public import Exchanges

/// Hides card numbers and e-mail addresses in text that is about to be logged (SPEC O-3, 24).
///
/// Card: `****-****-****-1234`. E-mail: two characters, then `***@domain`. Text that holds neither
/// passes as it is.
public enum Masking {
    /// What a card verification value becomes; which field holds one is known by its name only.
    public static let verificationValue: StaticString = "***"

    /// Could `text` hold something to hide? One pass; false for nearly every value, so the caller can
    /// copy it straight on.
    public static func isSuspicious(_ text: borrowing Span<UInt8>) -> Bool {
        var digits = 0
        var i = 0
        while i < text.count {
            let byte = text[i]
            if byte &- 48 < 10 {
                digits &+= 1
                if digits >= 13 { return true }
                i &+= 1
            } else if byte == UInt8(ascii: "@") {
                return true
            } else if byte == UInt8(ascii: "%") {
                // An escape may stand between groups of digits, and its own digits are none of theirs.
                if atSign(text, i) > 0 { return true }
                i &+= escapeLength(text, i)
            } else {
                if !isCardSeparator(byte) { digits = 0 }
                i &+= 1
            }
        }
        return false
    }

    /// Is there a card's number in `text`, in one run or in the groups that cards are printed with? Of bytes that are
    /// kept as they are: a parcel's number with hyphens that happens to have the right sum is none.
    public static func holdsCard(_ text: borrowing Span<UInt8>) -> Bool {
        var i = 0
        var isInsideNumber = false
        while i < text.count {
            let escape = escapeLength(text, i)
            if escape == 1, isDigit(text[i]), !isInsideNumber, let end = cardEnd(text, at: i),
                isGroupedAsCard(text, i..<end)
            {
                return true
            }
            isInsideNumber = escape == 1 && isDigit(text[i])
            i += escape
        }
        return false
    }

    /// One group, or fours with a rest, or as American Express and Diners print theirs.
    private static func isGroupedAsCard(_ text: borrowing Span<UInt8>, _ range: Range<Int>) -> Bool {
        var groups: [Int] = [0]
        var i = range.lowerBound
        while i < range.upperBound {
            if isDigit(text[i]) {
                groups[groups.count - 1] += 1
                i += 1
            } else {
                groups.append(0)
                i += max(1, separator(text, i))
            }
        }
        return groups.count == 1 || groups.dropLast().allSatisfy { $0 == 4 } || groups == [4, 6, 5] || groups == [4, 6, 4]
    }

    /// Appends `text` to `out`, masked. `out` must be empty; it may be shorter or longer than `text`.
    public static func mask(_ text: borrowing Span<UInt8>, into out: Buffer) {
        var i = 0
        var wordStart = 0  // in `out`: where the run of address characters before an `@` begins
        var mayBeCard = true  // digits that begin here have no digit of their own number before them
        while i < text.count {
            if mayBeCard, let end = cardEnd(text, at: i) {
                appendCard(text, i..<end, to: out)
                i = end
                wordStart = out.count
                continue
            }
            let at = atSign(text, i)
            if at > 0 {
                if out.count > wordStart && i + at < text.count && isAddress(text[i + at]) {
                    hideLocalPart(from: wordStart, in: out)
                }
                out.append(text.extracting(i..<(i + at)))
                i += at
                wordStart = out.count
                mayBeCard = true
                continue
            }
            let escape = escapeLength(text, i)
            out.append(text.extracting(i..<(i + escape)))
            // The digits of `%20` belong to the escape, not to the number behind it.
            mayBeCard = escape == 3 || !isDigit(text[i])
            if escape == 3 || !isAddress(text[i]) { wordStart = out.count }
            i += escape
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }
    private static func isCardSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || byte == UInt8(ascii: " ") || byte == UInt8(ascii: "+")
    }

    /// Length of an `@` at `i`, plain or percent-encoded; 0 when there is none.
    private static func atSign(_ text: borrowing Span<UInt8>, _ i: Int) -> Int {
        if text[i] == UInt8(ascii: "@") { return 1 }
        return escapeLength(text, i) == 3 && text[i + 1] == UInt8(ascii: "4") && text[i + 2] == UInt8(ascii: "0") ? 3 : 0
    }

    /// 3 for a percent-encoded byte, else 1.
    private static func escapeLength(_ text: borrowing Span<UInt8>, _ i: Int) -> Int {
        text[i] == UInt8(ascii: "%") && i + 2 < text.count && text[i + 1].hexValue != nil && text[i + 2].hexValue != nil
            ? 3 : 1
    }

    /// Length of what may stand between two groups of digits, plain or percent-encoded; 0 when nothing may.
    private static func separator(_ text: borrowing Span<UInt8>, _ i: Int) -> Int {
        if isCardSeparator(text[i]) { return 1 }
        guard escapeLength(text, i) == 3, text[i + 1] == UInt8(ascii: "2") else { return 0 }
        let low = text[i + 2].asciiLowercased
        return low == UInt8(ascii: "0") || low == UInt8(ascii: "d") || low == UInt8(ascii: "b") ? 3 : 0
    }

    private static func isAddress(_ byte: UInt8) -> Bool {
        if isDigit(byte) || byte >= 0x80 { return true }
        if byte | 0x20 >= 97 && byte | 0x20 <= 122 { return true }
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "'"): return true
        default: return false
        }
    }

    private static func hideLocalPart(from start: Int, in out: Buffer) {
        let local = out.withReadable { $0.extracting(start..<$0.count).bytes }
        let before = out.withReadable { $0.extracting(0..<start).bytes }
        out.clear()
        out.append(before)
        out.append(Array(local.prefix(2)))
        out.append("***" as StaticString)
    }

    /// End of a card number that begins at `i`: 13 to 19 digits, single separators allowed between
    /// groups, Luhn sum zero, no digit directly behind. The longest such run of groups counts.
    private static func cardEnd(_ text: borrowing Span<UInt8>, at i: Int) -> Int? {
        guard isDigit(text[i]) else { return nil }
        var digits = 0
        var sums = (even: 0, odd: 0)  // Luhn, doubling the digits at even or at odd places
        var end: Int?
        var k = i
        while k < text.count && digits <= 19 {
            if isDigit(text[k]) {
                let digit = Int(text[k] - 48)
                let doubled = digit > 4 ? digit * 2 - 9 : digit * 2
                sums.even += digits % 2 == 0 ? doubled : digit
                sums.odd += digits % 2 == 0 ? digit : doubled
                digits += 1
                k += 1
                // The last digit is not doubled, the one before it is, and so on.
                let sum = digits % 2 == 0 ? sums.even : sums.odd
                let groupEnds = k == text.count || !isDigit(text[k])
                if groupEnds && digits >= 13 && digits <= 19 && sum % 10 == 0 { end = k }
            } else {
                let gap = separator(text, k)
                guard gap > 0 && k + gap < text.count && isDigit(text[k + gap]) else { break }
                k += gap
            }
        }
        return end
    }

    private static func appendCard(_ text: borrowing Span<UInt8>, _ range: Range<Int>, to out: Buffer) {
        var last: [UInt8] = []
        var k = range.lowerBound
        while k < range.upperBound {
            if isDigit(text[k]) {
                last.append(text[k])
                k += 1
            } else {
                k += separator(text, k)
            }
        }
        out.append("****-****-****-" as StaticString)
        out.append(Array(last.suffix(4)))
    }
}

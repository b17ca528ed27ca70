import EventCore

/// Text from a service, before it is kept or shown.
enum ShownText {
    /// Bytes of it that are kept.
    static let longest = 1024
    /// The shortest number that a card can have.
    private static let cardDigits = 12

    /// At most `longest` bytes, and no card number: whoever got one may repeat it in what he says. Twelve digits or
    /// more, blanks and dashes between them or not, keep their last four only.
    static func bounded(_ text: String) -> String {
        var bytes = Array(text.utf8.prefix(longest + 64))
        mask(&bytes)
        return cut(bytes, to: longest)
    }

    /// At most so many bytes, no character cut in two.
    static func cut(_ text: String, to most: Int) -> String {
        text.utf8.count <= most ? text : cut(Array(text.utf8.prefix(most + 1)), to: most)
    }

    private static func cut(_ bytes: [UInt8], to most: Int) -> String {
        var end = min(most, bytes.count)
        if end < bytes.count {
            while end > 0 && bytes[end] & 0xC0 == 0x80 { end -= 1 }
        }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// Without this card's number, whatever its form: the one service that gets it may say it again, as anything.
    static func without(_ card: CardDetails, _ text: String) -> String {
        let bytes = Array(text.utf8)
        let count = card.number.count
        guard count >= 8, bytes.count >= count else { return text }
        let found = (0...(bytes.count - count)).contains { bytes[$0..<($0 + count)].elementsEqual(card.number) }
        return found ? "(not kept: it repeats the card's number)" : text
    }

    private static func mask(_ bytes: inout [UInt8]) {
        var run: [Int] = []
        var gap = 0
        for i in 0...bytes.count {
            let byte = i < bytes.count ? bytes[i] : 0
            if byte >= 48 && byte <= 57 {
                run.append(i)
                gap = 0
            } else if !run.isEmpty && gap == 0 && (byte == 0x20 || byte == 0x2d) {
                gap = 1
            } else {
                if run.count >= cardDigits {
                    for place in run.dropLast(4) { bytes[place] = UInt8(ascii: "*") }
                }
                run.removeAll(keepingCapacity: true)
                gap = 0
            }
        }
    }
}

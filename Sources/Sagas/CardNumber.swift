/// Card numbers in what people type (SPEC 24): a decision's note is kept for ever, so it must not hold one.
public enum CardNumber {
    /// Digits that a card has (ISO/IEC 7812).
    private static let lengths = 13...19

    /// Does the text hold so many digits, blanks and dashes between them or not, that pass Luhn's check? Numbers of
    /// transactions do so by chance, one in ten.
    public static func isIn(_ text: String) -> Bool {
        var digits: [UInt8] = []
        for byte in Array(text.utf8) + [0] {
            if (48...57).contains(byte) {
                digits.append(byte - 48)
            } else if byte != 0x20 && byte != 0x2d {
                if lengths.contains(digits.count) && addsUp(digits) { return true }
                digits.removeAll(keepingCapacity: true)
            }
        }
        return false
    }

    /// From the right, every second digit counts double, as the sum of its digits.
    private static func addsUp(_ digits: [UInt8]) -> Bool {
        var sum = 0
        for (place, digit) in digits.reversed().enumerated() {
            let value = Int(digit) * (1 + place % 2)
            sum += value > 9 ? value - 9 : value
        }
        return sum % 10 == 0
    }
}

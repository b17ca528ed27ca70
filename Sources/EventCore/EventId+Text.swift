import Exchanges

extension EventId {
    /// From its 36 characters, digits in lower or upper case; nil for anything else.
    public init?(text: String) {
        var value: UInt128 = 0
        var place = 0
        for byte in text.utf8 {
            if place == 8 || place == 13 || place == 18 || place == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                guard place < 36, let digit = byte.hexValue else { return nil }
                value = value << 4 | UInt128(digit)
            }
            place += 1
        }
        guard place == 36 else { return nil }
        self.init(high: UInt64(truncatingIfNeeded: value >> 64), low: UInt64(truncatingIfNeeded: value))
    }
}

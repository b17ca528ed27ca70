public import Exchanges

/// Values of metadata whose name ends in `-bin`: bytes in base64 (RFC 4648 section 4), written without padding,
/// read with it or without.
public enum GRPCBinary {
    /// Appends `bytes` as a field value.
    public static func encode(_ bytes: borrowing Span<UInt8>, into out: Buffer) {
        var at = 0
        while at < bytes.count {
            let left = min(3, bytes.count - at)
            var group = UInt32(bytes[at]) << 16
            if left > 1 { group |= UInt32(bytes[at + 1]) << 8 }
            if left > 2 { group |= UInt32(bytes[at + 2]) }
            for i in 0...left { out.append(letter(UInt8(truncatingIfNeeded: group >> UInt32(18 - 6 * i)) & 63)) }
            at += 3
        }
    }

    /// Appends the bytes of one value.
    /// - Returns: false = it is not base64; what was appended before that was seen stays.
    public static func decode(_ value: borrowing Span<UInt8>, into out: Buffer) -> Bool {
        var end = value.count
        if end % 4 == 0 {
            for _ in 0..<2 where end > 0 && value[end - 1] == 0x3d { end -= 1 }
        }
        guard end % 4 != 1 else { return false }
        var group: UInt32 = 0
        var bits = 0
        for i in 0..<end {
            guard let six = number(value[i]) else { return false }
            group = (group << 6 | UInt32(six)) & 0xffff
            bits += 6
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
            }
        }
        return true
    }

    /// The next member of a comma list, spaces around it left out. Repeated `-bin` fields may have been joined
    /// to such a list on their way, and the comma is no letter of base64.
    /// - Parameter position: where to begin; moved behind the member and its comma.
    public static func nextValue(in list: borrowing Span<UInt8>, at position: inout Int) -> Range<Int>? {
        guard position <= list.count else { return nil }
        var start = position
        var end = position
        while end < list.count && list[end] != 0x2c { end += 1 }
        position = end + 1
        while start < end && list[start] == 0x20 { start += 1 }
        while end > start && list[end - 1] == 0x20 { end -= 1 }
        return start..<end
    }

    private static func letter(_ six: UInt8) -> UInt8 {
        switch six {
        case 0..<26: six + 65
        case 26..<52: six + 71
        case 52..<62: six - 4
        case 62: 0x2b
        default: 0x2f
        }
    }

    private static func number(_ letter: UInt8) -> UInt8? {
        switch letter {
        case 65...90: letter - 65
        case 97...122: letter - 71
        case 48...57: letter + 4
        case 0x2b: 62
        case 0x2f: 63
        default: nil
        }
    }
}

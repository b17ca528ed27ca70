public import Exchanges

/// The text of `grpc-message`: UTF-8, percent-encoded.
public enum GRPCMessageText {
    /// Appends `text` as the field's value: printable ASCII but `%` stays, every other byte is `%XX`.
    public static func encode(_ text: borrowing Span<UInt8>, into out: Buffer) {
        for i in 0..<text.count {
            let byte = text[i]
            if byte >= 0x20 && byte <= 0x7e && byte != 0x25 {
                out.append(byte)
            } else {
                out.append(0x25)
                out.append(digit(byte >> 4))
                out.append(digit(byte & 15))
            }
        }
    }

    /// Appends the text that `value` stands for. A `%` that begins no encoded byte stays as it is: a message is
    /// for people, and a broken one is better than none.
    public static func decode(_ value: borrowing Span<UInt8>, into out: Buffer) {
        var at = 0
        while at < value.count {
            if value[at] == 0x25, at + 2 < value.count, let high = value[at + 1].hexValue, let low = value[at + 2].hexValue {
                out.append(high << 4 | low)
                at += 3
            } else {
                out.append(value[at])
                at += 1
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x37 &+ value }
}

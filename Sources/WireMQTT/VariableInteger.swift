import Exchanges

/// A variable byte integer (MQTT 5.0 section 1.5.5): seven bits a byte, the lowest first.
enum VariableInteger {
    /// Four bytes hold no more.
    static let largest = 268_435_455

    /// Bytes that `value` takes.
    static func count(_ value: Int) -> Int {
        value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4
    }

    static func append(_ value: Int, to out: Buffer) {
        precondition(value >= 0 && value <= largest, "a packet is longer than the protocol has numbers for")
        var rest = value
        while rest >= 0x80 {
            out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        out.append(UInt8(truncatingIfNeeded: rest))
    }
}

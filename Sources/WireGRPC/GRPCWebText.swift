public import Exchanges

/// gRPC-Web's text form: the same bytes in base64 (RFC 4648 section 4), in pieces that may each end with padding.
public enum GRPCWebText {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends `bytes` as one piece, padded.
    public static func encode(_ bytes: borrowing Span<UInt8>, into out: Buffer) {
        let alphabet = alphabet
        func digit(_ word: UInt32, _ shift: UInt32) -> UInt8 { alphabet[Int(word >> shift & 0x3f)] }
        out.reserve((bytes.count &+ 2) / 3 &* 4)
        var at = 0
        while at &+ 3 <= bytes.count {
            let word = UInt32(bytes[at]) << 16 | UInt32(bytes[at &+ 1]) << 8 | UInt32(bytes[at &+ 2])
            out.append(digit(word, 18))
            out.append(digit(word, 12))
            out.append(digit(word, 6))
            out.append(digit(word, 0))
            at &+= 3
        }
        guard at < bytes.count else { return }
        let isPair = at &+ 1 < bytes.count
        let word = UInt32(bytes[at]) << 16 | (isPair ? UInt32(bytes[at &+ 1]) << 8 : 0)
        out.append(digit(word, 18))
        out.append(digit(word, 12))
        out.append(isPair ? digit(word, 6) : 0x3d)
        out.append(0x3d)
    }
}

/// Reads gRPC-Web's text form however it is split: groups of four characters, cut anywhere; after padding the
/// next group begins the next piece. It keeps three characters at most.
public struct GRPCWebTextDecoder: Sendable, BitwiseCopyable {
    private var word: UInt32 = 0
    /// Characters of the group in progress, padding included.
    private var count: UInt8 = 0
    private var padding: UInt8 = 0
    private var isBroken = false

    public init() {}

    /// Does what has been read end with a whole group? Only then may the text end here.
    public var isWhole: Bool { count == 0 && !isBroken }

    /// Appends what `text` says to `out`.
    /// - Returns: false when it is not base64; then nothing that follows is.
    public mutating func decode(_ text: borrowing Span<UInt8>, into out: Buffer) -> Bool {
        guard !isBroken else { return false }
        out.reserve((text.count &+ 3) / 4 &* 3)
        let values = Self.values
        var at = 0
        while at < text.count {
            let value = values[Int(text[at])]
            at &+= 1
            if value < 64 {
                guard padding == 0 else { return broken() }
                word = word << 6 | UInt32(value)
            } else {
                guard value == Self.pad, count >= 2 else { return broken() }
                word <<= 6
                padding &+= 1
            }
            count &+= 1
            if count == 4, !endGroup(into: out) { return broken() }
        }
        return true
    }

    /// Bits that no byte takes must be zero: there is one way to write each text (RFC 4648 section 3.5).
    private mutating func endGroup(into out: Buffer) -> Bool {
        guard padding == 0 || word & (padding == 1 ? 0xff : 0xffff) == 0 else { return false }
        out.append(UInt8(truncatingIfNeeded: word >> 16))
        if padding < 2 { out.append(UInt8(truncatingIfNeeded: word >> 8)) }
        if padding < 1 { out.append(UInt8(truncatingIfNeeded: word)) }
        word = 0
        count = 0
        padding = 0
        return true
    }

    private mutating func broken() -> Bool {
        isBroken = true
        return false
    }

    private static let pad: UInt8 = 64
    /// What each byte stands for: 0 to 63, `pad`, or 255 for what is not base64.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (i, byte) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8.enumerated() {
            values[Int(byte)] = UInt8(i)
        }
        values[0x3d] = pad
        return values
    }()
}

import COpenSSL
import EventCore
public import Settings

/// What may be kept of a card: its last four digits, and a token by which orders that were paid with the same card
/// are known. The token is HMAC-SHA256 of the digits: without the key it says nothing, and trying all card numbers
/// takes the key.
public struct CardTokens: Sendable {
    /// Bytes a key needs at least.
    public static let shortestKey = 32
    private let key: [UInt8]

    /// With a key made now: tokens mean something until the process ends.
    /// - Returns: nil when the system has no random bytes.
    public init?() {
        var bytes = [UInt8](repeating: 0, count: CardTokens.shortestKey)
        guard RAND_priv_bytes(&bytes, Int32(bytes.count)) == 1 else { return nil }
        key = bytes
    }

    /// With this key; nil when it is too short.
    public init?(key: [UInt8]) {
        guard key.count >= CardTokens.shortestKey else { return nil }
        self.key = key
    }

    /// With the key in a file; nil after a report.
    public init?(keyFile: PlacedPath, _ diagnostics: Diagnostics) {
        guard let bytes = FileBytes.read(path: keyFile.path, atMost: 4096, at: keyFile.position, diagnostics) else { return nil }
        guard bytes.count >= CardTokens.shortestKey else {
            diagnostics.error(at: keyFile.position, "the key in '\(keyFile.path)' needs at least \(CardTokens.shortestKey) bytes")
            return nil
        }
        key = bytes
    }

    /// Nil when OpenSSL fails.
    func reference(of card: CardDetails) -> CardReference? {
        // Blanks and dashes are how a number is typed, not what it is.
        var digits = card.number.filter { $0 != 0x20 && $0 != 0x2d }
        defer { digits.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        var digest = [UInt8](repeating: 0, count: 32)
        var length = 0
        guard EVP_Q_mac(nil, "HMAC", nil, "SHA256", nil, key, key.count, digits, digits.count, &digest, digest.count, &length) != nil,
            length == digest.count
        else { return nil }
        var token = ""
        for byte in digest {
            token.append(byte < 16 ? "0" : "")
            token += String(byte, radix: 16)
        }
        let lastFour = digits.filter { $0 >= 48 && $0 <= 57 }.suffix(4)
        return CardReference(lastFour: String(decoding: lastFour, as: UTF8.self), token: token)
    }
}

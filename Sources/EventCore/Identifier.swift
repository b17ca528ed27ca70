import Contracts

/// The name of a thing from outside (user, product, order): 1 to 128 bytes of valid UTF-8 without
/// control characters. Compared byte for byte, as the store does; two spellings of `é` differ.
public struct Identifier: Sendable, Hashable, CustomStringConvertible {
    public static let longest = 128

    public let bytes: [UInt8]

    /// Nil when the bytes are not an identifier.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= 1 && bytes.count <= Identifier.longest && JSONString.isUTF8(bytes.span) else { return nil }
        for i in bytes.indices {
            // C0 and DEL; C1 is C2 80…9F in UTF-8.
            if bytes[i] < 0x20 || bytes[i] == 0x7F { return nil }
            if bytes[i] == 0xC2 && bytes[i + 1] < 0xA0 { return nil }
        }
        self.bytes = bytes
    }

    public init?(_ text: String) { self.init(Array(text.utf8)) }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    public func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension JSONWriter {
    mutating func string(_ identifier: Identifier) { string(utf8: identifier.bytes.span) }
}

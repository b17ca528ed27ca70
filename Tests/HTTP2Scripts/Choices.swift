/// Decisions drawn from bytes: the same bytes make the same run, whether a fuzzer found them or a seed did.
public struct Choices {
    private let bytes: [UInt8]
    private var at = 0
    private let comesRound: Bool

    /// - Parameter comesRound: after the last byte the first follows again; otherwise zeros do.
    public init(_ bytes: [UInt8], comesRound: Bool = false) {
        self.bytes = bytes
        self.comesRound = comesRound && !bytes.isEmpty
    }

    public var isEmpty: Bool { at >= bytes.count }

    mutating func byte() -> UInt8 {
        if at == bytes.count && comesRound { at = 0 }
        guard at < bytes.count else { return 0 }
        defer { at += 1 }
        return bytes[at]
    }

    /// - Parameter n: 1 to 256.
    mutating func below(_ n: Int) -> Int { Int(byte()) % n }

    /// Mostly small, at times up to 64 KiB.
    mutating func size() -> Int {
        let way = byte()
        if way < 160 { return Int(way & 31) }
        return (Int(byte()) << Int(way & 7)) * 2 + Int(way >> 7)
    }

    /// The next `n` bytes, or what is left.
    mutating func take(_ n: Int) -> [UInt8] {
        let end = min(at + n, bytes.count)
        defer { at = end }
        return Array(bytes[at..<end])
    }
}

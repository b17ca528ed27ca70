public import Exchanges

/// Names of fields that only the gateway may say something under. `_` counts as `-`, because servers that make
/// variables of fields cannot tell them apart.
public struct ReservedNames: Sendable {
    private let names: [[UInt8]]
    /// One bit for each length that a name has; most fields are told by it.
    private let lengths: UInt64

    /// - Parameter names: in lower case, of 1 to 63 bytes; others are compared all the same.
    public init(_ names: [String]) {
        self.names = Set(names).sorted().map { Array($0.utf8).map(Self.folded) }
        lengths = self.names.reduce(0) { $0 | 1 << UInt64($1.count & 63) }
    }

    @inlinable public var isEmpty: Bool { count == 0 }
    public var count: Int { names.count }

    /// Takes every field with such a name out of the head.
    public func strip(_ fields: inout [Field], in text: borrowing Span<UInt8>) {
        guard !names.isEmpty else { return }
        var kept = 0
        for i in fields.indices {
            if contains(fields[i], text) { continue }
            if kept != i { fields[kept] = fields[i] }
            kept &+= 1
        }
        if kept < fields.count { fields.removeLast(fields.count &- kept) }
    }

    /// Has the field such a name?
    @inline(__always) public func contains(_ field: Field, _ text: borrowing Span<UInt8>) -> Bool {
        guard field.name == .other, lengths >> UInt64(field.nameText.count & 63) & 1 != 0 else { return false }
        return isReserved(text.extracting(field.nameText.range))
    }

    private func isReserved(_ name: borrowing Span<UInt8>) -> Bool {
        for candidate in names where candidate.count == name.count {
            var same = true
            for i in 0..<name.count where candidate[i] != Self.folded(name[i]) { same = false }
            if same { return true }
        }
        return false
    }

    private static func folded(_ byte: UInt8) -> UInt8 { byte == 0x5f ? 0x2d : byte.asciiLowercased }
}

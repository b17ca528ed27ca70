/// An IPv6 address, or an IPv4 address in its mapped form `::ffff:a.b.c.d`: always 16 bytes, so that
/// both families compare and match alike.
public struct IPAddress: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
    /// Bytes 0–7, big-endian.
    public var high: UInt64
    /// Bytes 8–15, big-endian.
    public var low: UInt64

    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address given as its 32 bits, most significant byte first written.
    @inlinable public init(v4: UInt32) {
        high = 0
        low = 0xffff_0000_0000 | UInt64(v4)
    }

    @inlinable public var isV4: Bool { high == 0 && low >> 32 == 0xffff }
    /// The 32 bits of a mapped address.
    @inlinable public var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

    /// A literal in the strict forms: four decimal numbers without leading zeros, or RFC 4291 section
    /// 2.2 without a zone. Nil for anything else: names, `127.1`, `0x7f.1`, `010.0.0.1`.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 45 else { return nil }
        if let v4 = IPAddress.parseV4(bytes[...]) {
            self.init(v4: v4)
        } else if let groups = IPAddress.parseV6(bytes) {
            self.init(
                high: groups[0..<4].reduce(0) { $0 << 16 | UInt64($1) },
                low: groups[4..<8].reduce(0) { $0 << 16 | UInt64($1) })
        } else {
            return nil
        }
    }

    static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: 0x2e, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.count >= 1, part.count <= 3, part.count == 1 || part.first != 48,
                part.allSatisfy({ $0 >= 48 && $0 <= 57 })
            else { return nil }
            let number = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - 48) }
            guard number <= 255 else { return nil }
            value = value << 8 | number
        }
        return value
    }

    /// Eight groups, `::` unfolded, a dotted tail turned into two groups.
    private static func parseV6(_ text: [UInt8]) -> [UInt16]? {
        func groups(_ text: ArraySlice<UInt8>, mayEndDotted: Bool) -> [UInt16]? {
            if text.isEmpty { return [] }
            var result: [UInt16] = []
            let parts = text.split(separator: 0x3a, maxSplits: 9, omittingEmptySubsequences: false)
            for (i, part) in parts.enumerated() {
                if i == parts.count - 1, mayEndDotted, let v4 = parseV4(part) {
                    result += [UInt16(v4 >> 16), UInt16(v4 & 0xffff)]
                    continue
                }
                guard part.count >= 1, part.count <= 4 else { return nil }
                var value: UInt16 = 0
                for digit in part {
                    guard let nibble = hex(digit) else { return nil }
                    value = value << 4 | UInt16(nibble)
                }
                result.append(value)
            }
            return result
        }
        let gaps = text.indices.dropLast().filter { text[$0] == 0x3a && text[$0 + 1] == 0x3a }
        guard let gap = gaps.first else {
            guard let all = groups(text[...], mayEndDotted: true), all.count == 8 else { return nil }
            return all
        }
        // `:::` would be a second gap right behind the first.
        guard gaps.count == 1, let front = groups(text[..<gap], mayEndDotted: false),
            let back = groups(text[(gap + 2)...], mayEndDotted: true), front.count + back.count <= 7
        else { return nil }
        return front + [UInt16](repeating: 0, count: 8 - front.count - back.count) + back
    }

    private static func hex(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }

    /// Dotted for IPv4, RFC 5952 for IPv6 (lower case, the longest run of zero groups folded).
    public var description: String {
        if isV4 { return "\(v4 >> 24).\(v4 >> 16 & 255).\(v4 >> 8 & 255).\(v4 & 255)" }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - $0 % 4 * 16)) }
        var longest = 0..<0
        var at = 0
        while at < 8 {
            var end = at
            while end < 8 && groups[end] == 0 { end += 1 }
            if end - at > longest.count && end - at > 1 { longest = at..<end }
            at = max(end, at + 1)
        }
        func join(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if longest.isEmpty { return join(groups[...]) }
        return join(groups[..<longest.lowerBound]) + "::" + join(groups[longest.upperBound...])
    }
}

/// A block of addresses: `10.0.0.0/8`, `2001:db8::/32`; an address alone is a block of one.
public struct CIDR: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
    /// The first address of the block.
    public let base: IPAddress
    /// Leading bits that must agree, counted in the 16-byte form (IPv4 /8 = 104).
    public let prefix: UInt8

    /// Nil unless both parts are well-formed and the bits behind the prefix are zero: `10.1.0.0/8`
    /// is more often a mistake than a wish.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        let v4 = first.contains(".") && !first.contains(":")
        var bits: UInt8 = 128
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard digits.count <= 3, digits.first != 48 || digits.count == 1,
                digits.allSatisfy({ $0 >= 48 && $0 <= 57 }), let number = UInt8(parts[1]), number <= (v4 ? 32 : 128)
            else { return nil }
            bits = v4 ? number + 96 : number
        }
        let mask = CIDR.mask(bits)
        guard address.high & ~mask.high == 0, address.low & ~mask.low == 0 else { return nil }
        base = address
        prefix = bits
    }

    @usableFromInline static func mask(_ bits: UInt8) -> IPAddress {
        // Smart shifts: a shift by 64 gives 0.
        IPAddress(
            high: ~(UInt64.max >> min(bits, 64)), low: bits <= 64 ? 0 : ~(UInt64.max >> (bits - 64)))
    }

    /// Is `address` in this block? IPv4 in mapped form.
    @inlinable public func contains(_ address: IPAddress) -> Bool {
        let mask = CIDR.mask(prefix)
        return (address.high ^ base.high) & mask.high == 0 && (address.low ^ base.low) & mask.low == 0
    }

    public var description: String {
        base.isV4 && prefix >= 96 ? "\(base)/\(prefix - 96)" : "\(base)/\(prefix)"
    }
}

/// The stage `steer`: on which side of a flag a principal is (SPEC R-4). A function of the flag's name and the
/// principal alone: the same in every protocol, on every worker and after every restart, and monotonic in the
/// weight: who is on at 10 % is on at 25 %.
public struct Steer: Sendable {
    /// Buckets of all principals.
    public static let buckets: UInt16 = 10_000

    private let hash: KeyedHash

    /// - Parameter flag: its name; different flags deal principals independently.
    public init(flag: String) {
        // FNV-1a, twice with different starts: the key need not be secret, only another one for each flag.
        func mix(_ start: UInt64) -> UInt64 {
            flag.utf8.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        }
        hash = KeyedHash(mix(0xcbf2_9ce4_8422_2325), mix(0x6c62_272e_07bb_0142))
    }

    /// 0 to 9,999.
    public func bucket(of principal: borrowing Span<UInt8>) -> UInt16 {
        // The high half of a product is even over the range, where a remainder would not be.
        UInt16(truncatingIfNeeded: hash(principal).multipliedFullWidth(by: UInt64(Self.buckets)).high)
    }

    /// Is the flag on for whoever is in `bucket`?
    /// - Parameter weight: in 1/10,000.
    @inlinable public static func isOn(bucket: UInt16, weight: UInt16) -> Bool { bucket < weight }
}

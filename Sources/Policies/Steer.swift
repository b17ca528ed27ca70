public import Exchanges

/// The stage `steer`: on which side of a flag somebody is (SPEC R-4). A function of the flag's salt, of who asks and of
/// the weight alone: the same in every protocol, on every worker and after every restart, and monotonic in the weight:
/// who is on at 10 % is on at 25 %.
public struct Steer: Sendable {
    /// Buckets of all users, and so a weight's unit.
    public static let buckets: UInt16 = 10_000

    private let hash: KeyedHash
    private let targets: [SteerTarget]

    /// - Parameters:
    ///   - salt: different ones deal users independently.
    ///   - targets: the first that fits decides, before the weight does.
    public init(salt: String, targets: [SteerTarget] = []) {
        // FNV-1a, twice with different starts: the key need not be secret, only another one for each flag.
        func mix(_ start: UInt64) -> UInt64 {
            salt.utf8.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        }
        hash = KeyedHash(mix(0xcbf2_9ce4_8422_2325), mix(0x6c62_272e_07bb_0142))
        self.targets = targets
    }

    /// 0 to 9,999, of a user's id and nothing else.
    public func bucket(of user: borrowing Span<UInt8>) -> UInt16 {
        // The high half of a product is even over the range, where a remainder would not be.
        UInt16(truncatingIfNeeded: hash(user).multipliedFullWidth(by: UInt64(Self.buckets)).high)
    }

    /// Is the flag on for whoever is in `bucket`?
    /// - Parameter weight: in 1/10,000.
    @inlinable public static func isOn(bucket: UInt16, weight: UInt16) -> Bool { bucket < weight }

    /// Is the flag on for `user`?
    /// - Parameters:
    ///   - user: his id; empty = nobody can say who it is, so he stays where he is until all are moved.
    ///   - principal: what `identify` knows of him; nil = nothing.
    ///   - weight: in 1/10,000.
    public func isOn(for user: borrowing Span<UInt8>, _ principal: Principal?, weight: UInt16) -> Bool {
        if !targets.isEmpty, let side = side(of: user, principal) { return side }
        // Most flags are at one of their ends, most of the time.
        if weight == 0 { return false }
        if weight >= Self.buckets { return true }
        return user.count > 0 && Self.isOn(bucket: bucket(of: user), weight: weight)
    }

    private func side(of user: borrowing Span<UInt8>, _ principal: Principal?) -> Bool? {
        for target in targets where target.fits(user, principal) { return target.isOn }
        return nil
    }
}

/// Which request this is a repetition of, if it is one (SPEC 4). Both halves are keyed digests: nothing that a
/// client sent can be read from them.
public struct RepeatKey: Sendable, Hashable, BitwiseCopyable {
    /// 128 bits.
    public struct Digest: Sendable, Hashable, BitwiseCopyable {
        public var high: UInt64
        public var low: UInt64
        public init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }

    /// Of principal, operation and key: the same in every protocol.
    public var identity: Digest
    /// Of what is asked, card data included.
    public var fingerprint: Digest
    /// A repetition is refused, naming what the first one made, instead of answered again (`on_duplicate: reject`).
    public var rejects: Bool

    public init(identity: Digest, fingerprint: Digest, rejects: Bool = false) {
        self.identity = identity
        self.fingerprint = fingerprint
        self.rejects = rejects
    }

    /// The fingerprint is still to come.
    /// - Parameters:
    ///   - identity: of principal, operation and key.
    ///   - owner: of the principal, who has a share of all that is remembered.
    ///   - isKnown: somebody has said who that is; all others are one.
    public init(identity: Digest, owner: Digest, isKnown: Bool, rejects: Bool) {
        // Half of the identity is whose it is: so the records of one principal can be counted, and what is left tells his
        // keys apart.
        self.init(
            identity: Digest(high: isKnown ? owner.high | 1 : owner.high & ~1, low: identity.high ^ identity.low),
            fingerprint: Digest(high: 0, low: 0), rejects: rejects)
    }

    /// Whose it is.
    public var owner: UInt64 { identity.high }
    /// Has somebody said who that is?
    public var isOwnerKnown: Bool { identity.high & 1 == 1 }
    /// Is what is asked part of it yet?
    public var hasFingerprint: Bool { fingerprint != Digest(high: 0, low: 0) }
}

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
}

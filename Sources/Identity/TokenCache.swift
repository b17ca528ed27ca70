public import Exchanges
import Glibc
public import Policies

/// Tokens that were seen before, and what they came to: a worker's own, so nothing is locked. Found by a keyed hash of
/// the token's end, which is its signature; then the whole token is compared.
///
/// A set has four places. A newcomer takes one that is free or over, else the next that has not been asked for lately.
public final class TokenCache {
    /// What a token came to.
    public final class Entry {
        let token: [UInt8]
        public let verdict: Verdict
        /// Wall clock milliseconds from which it is forgotten.
        let untilMS: UInt64
        /// Whose keys have checked it; nil = it never came to a key.
        let issuer: Issuer?
        /// Which of its issuer's key sets.
        let keys: UInt64
        /// `Revocations.version` when it was last looked for among them.
        public var checkedAgainst: UInt64
        fileprivate var isAskedFor = false

        public init(
            _ token: [UInt8], _ verdict: Verdict, untilMS: UInt64, issuer: Issuer?, keys: UInt64, revocations: UInt64
        ) {
            self.token = token
            self.verdict = verdict
            self.untilMS = untilMS
            self.issuer = issuer
            self.keys = keys
            checkedAgainst = revocations
        }
    }

    public enum Verdict {
        case believed(Principal)
        case refused(CredentialFault)
    }

    private static let ways = 4
    /// Bytes of a token that are hashed: no two signatures have equal ones by accident.
    private static let hashed = 32

    private let hash: KeyedHash
    private let mask: Int
    private let mostBytes: Int
    private var tags: [UInt64] = []
    private var entries: [Entry?] = []
    private var hand = 0
    public private(set) var count = 0
    private var bytes = 0

    /// - Parameters:
    ///   - most: tokens kept, rounded up to a power of two; 0 = none.
    ///   - mostBytes: what they have in all, at most.
    public init(most: Int, mostBytes: Int, hash: KeyedHash) {
        self.hash = hash
        self.mostBytes = mostBytes
        var places = 0
        if most > 0 {
            places = Self.ways
            while places < most { places *= 2 }
        }
        mask = places - 1
    }

    /// What this token came to, unless that is over, or what it rested on has changed.
    public func find(_ token: borrowing Span<UInt8>, nowMS: UInt64) -> Entry? {
        guard count > 0, token.count >= Self.hashed else { return nil }
        let tag = self.tag(token)
        let set = Int(truncatingIfNeeded: tag) & mask & ~(Self.ways - 1)
        for place in set..<(set + Self.ways) where tags[place] == tag {
            guard let entry = entries[place], Self.same(entry.token, token) else { continue }
            guard nowMS < entry.untilMS, entry.issuer.map({ $0.version == entry.keys }) ?? true else {
                drop(place)
                return nil
            }
            if !entry.isAskedFor { entry.isAskedFor = true }
            return entry
        }
        return nil
    }

    public func insert(_ entry: Entry) {
        guard mask > 0, entry.token.count >= Self.hashed, entry.token.count <= mostBytes else { return }
        if entries.isEmpty {
            tags = Array(repeating: 0, count: mask + 1)
            entries = Array(repeating: nil, count: mask + 1)
        }
        let token = entry.token
        let tag = self.tag(token.span)
        let set = Int(truncatingIfNeeded: tag) & mask & ~(Self.ways - 1)
        let place = choose(set, tag)
        drop(place)
        while bytes + entry.token.count > mostBytes { dropNext() }
        tags[place] = tag
        entries[place] = entry
        count += 1
        bytes += entry.token.count
    }

    /// The place of a newcomer in its set.
    private func choose(_ set: Int, _ tag: UInt64) -> Int {
        for place in set..<(set + Self.ways) where entries[place] == nil || tags[place] == tag { return place }
        for _ in 0..<Self.ways {
            hand = (hand + 1) & mask
            let place = set + hand % Self.ways
            guard let entry = entries[place], entry.isAskedFor else { return place }
            entry.isAskedFor = false
        }
        return set + hand % Self.ways
    }

    private func dropNext() {
        hand = (hand + 1) & mask
        drop(hand)
    }

    private func drop(_ place: Int) {
        guard let entry = entries[place] else { return }
        entries[place] = nil
        tags[place] = 0
        count -= 1
        bytes -= entry.token.count
    }

    private func tag(_ token: borrowing Span<UInt8>) -> UInt64 {
        hash(token.extracting((token.count - Self.hashed)..<token.count)) | 1
    }

    private static func same(_ known: [UInt8], _ token: borrowing Span<UInt8>) -> Bool {
        guard known.count == token.count else { return false }
        return token.withUnsafeBytes { given in
            known.withUnsafeBytes { known in
                guard let a = known.baseAddress, let b = given.baseAddress else { return true }
                return memcmp(a, b, known.count) == 0
            }
        }
    }
}

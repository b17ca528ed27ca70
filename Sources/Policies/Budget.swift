public import Exchanges

/// One budget as the request path reads it.
public struct Budget: Sendable, BitwiseCopyable {
    public enum Measure: Sendable, BitwiseCopyable {
        case rate(LimitRate)
        /// An exact rolling window; `table` is an index into the generation's windows.
        case window(table: UInt16, requests: UInt16, periodNS: UInt64)
        /// So many at once.
        case concurrent(UInt32)
    }

    /// A number of the budget's name that stays the same over reloads, so that what was charged does.
    public var policy: UInt16
    public var measure: Measure
    /// What is refused or fails gives its units back.
    public var countsAcceptedOnly: Bool

    public init(policy: UInt16, measure: Measure, countsAcceptedOnly: Bool) {
        self.policy = policy
        self.measure = measure
        self.countsAcceptedOnly = countsAcceptedOnly
    }
}

/// Whom a unit is charged to: a number put together of what tells clients apart.
public struct LimitKey: Sendable, BitwiseCopyable {
    /// What a part of the key is. Parts of different kinds never meet, whatever bytes a client chooses.
    public enum Kind: UInt64, Sendable, BitwiseCopyable { case address = 1, principal, route, header, claim, missing }

    public private(set) var value: UInt64 = 0

    public init() {}

    /// Adds two words.
    @inline(__always) public mutating func add(_ kind: Kind, _ high: UInt64, _ low: UInt64, _ hash: KeyedHash) {
        value = hash(value &+ kind.rawValue, high, low)
    }

    /// Adds a text.
    @inline(__always) public mutating func add(_ kind: Kind, _ text: borrowing Span<UInt8>, _ hash: KeyedHash) {
        value = hash(value &+ kind.rawValue, hash(text), UInt64(text.count))
    }

    /// Adds an address as two words (IPv4 mapped into IPv6). An IPv6 client is its /64: one subscriber has that
    /// many addresses to hide behind.
    @inline(__always) public mutating func add(address: (high: UInt64, low: UInt64), _ hash: KeyedHash) {
        let isV4 = address.high == 0 && address.low >> 32 == 0xffff
        add(.address, address.high, isV4 ? address.low : 0, hash)
    }
}

extension LimitKey {
    /// Adds a principal: nobody of another issuer or kind has the same.
    @inline(__always) public mutating func add(_ principal: Principal, _ hash: KeyedHash) {
        let issuer = principal.issuer
        let subject = principal.subject
        let known = hash(issuer.span) &+ UInt64(principal.kind.rawValue)
        add(.principal, known, hash(subject.span), hash)
    }
}

public import Exchanges

/// Some users who are on one side of a flag, whatever its weight.
public struct SteerTarget: Sendable {
    public enum Whom: Sendable {
        case users(UserSet)
        case principals(PrincipalPattern)
    }

    public var whom: Whom
    public var isOn: Bool

    public init(_ whom: Whom, isOn: Bool) {
        self.whom = whom
        self.isOn = isOn
    }

    func fits(_ user: borrowing Span<UInt8>, _ principal: Principal?) -> Bool {
        switch whom {
        case .users(let users): users.contains(user)
        case .principals(let pattern): pattern.fits(principal ?? .anonymous)
        }
    }
}

/// What a principal must be: each condition that is not empty, by one of its values.
public struct PrincipalPattern: Sendable {
    public var kinds: [Principal.Kind] = []
    public var issuers: [[UInt8]] = []
    public var roles: [[UInt8]] = []
    public var scopes: [[UInt8]] = []
    public var claims: [(name: [UInt8], values: [[UInt8]])] = []

    public init() {}

    func fits(_ principal: Principal) -> Bool {
        if !kinds.isEmpty, !kinds.contains(principal.kind) { return false }
        if !issuers.isEmpty, !issuers.contains(principal.issuer) { return false }
        if !roles.isEmpty, !roles.contains(where: principal.roles.contains) { return false }
        if !scopes.isEmpty, !scopes.contains(where: principal.scopes.contains) { return false }
        return claims.allSatisfy { wanted in
            principal.claims.contains { $0.name == wanted.name && wanted.values.contains($0.value) }
        }
    }
}

/// Ids of users, found without making a key of the one that is looked for.
public struct UserSet: Sendable {
    /// Ascending; beside each, the id itself at the same place.
    private let hashes: [UInt64]
    private let ids: [[UInt8]]

    /// Where ids stand says nothing to anybody, so the key need not be secret.
    private static let hash = KeyedHash(0x6e65_7875_7375_7365, 0x7273_6574_666c_6167)

    public init(_ users: some Sequence<String>) {
        let sorted = Set(users).map { Array($0.utf8) }.map { (hash: Self.hash($0.span), id: $0) }.sorted { $0.hash < $1.hash }
        hashes = sorted.map(\.hash)
        ids = sorted.map(\.id)
    }

    public func contains(_ user: borrowing Span<UInt8>) -> Bool {
        let wanted = Self.hash(user)
        var (low, high) = (0, hashes.count)
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        while low < hashes.count, hashes[low] == wanted {
            if user.equals(ids[low]) { return true }
            low += 1
        }
        return false
    }
}

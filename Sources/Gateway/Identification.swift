import Exchanges
import Identity
import Pipeline
import Policies

/// What a worker remembers of those who ask: tokens that were verified, tokens that were not believed, and the service
/// whose certificate was seen last.
struct Identification {
    /// Bytes that remembered tokens have on average, at most.
    private static let bytesPerToken = 1024
    private static let mostRefused = 1024
    /// A refused token is looked at again after this: whatever was wrong may be mended.
    static let refusedMS: UInt64 = 5_000

    let tokens: TokenCache
    private(set) var refused: TokenCache
    let tally = IdentityTally()
    private var service: (name: [UInt8], principal: Principal)?
    private let hash: KeyedHash

    init(tokens most: Int, hash: KeyedHash) {
        self.hash = hash
        tokens = TokenCache(most: most, mostBytes: most * Self.bytesPerToken, hash: hash)
        refused = TokenCache(most: Self.mostRefused, mostBytes: Self.mostRefused * Self.bytesPerToken, hash: hash)
    }

    /// A new configuration may believe whom the last one did not.
    mutating func forgetRefused() {
        refused = TokenCache(most: Self.mostRefused, mostBytes: Self.mostRefused * Self.bytesPerToken, hash: hash)
    }

    /// The bearer of a certificate. One and the same while the same service asks.
    mutating func service(named name: [UInt8]) -> Principal {
        if let service, service.name == name { return service.principal }
        let principal = Principal(kind: .service, subject: name)
        service = (name, principal)
        return principal
    }
}

import Exchanges
import Policies
import Seeded
import Testing

@testable import Identity

@Suite struct TokenCacheTests {
    private func entry(_ token: [UInt8], untilMS: UInt64 = 100, issuer: Issuer? = nil, keys: UInt64 = 0) -> TokenCache.Entry {
        TokenCache.Entry(
            token, .believed(Principal(kind: .user, subject: token)), untilMS: untilMS, issuer: issuer, keys: keys, revocations: 1)
    }

    private func token(_ n: Int, length: Int = 64) -> [UInt8] {
        var random = Seeded(state: UInt64(bitPattern: Int64(n)) &+ 7)
        return (0..<length).map { _ in UInt8.random(in: 0x61...0x7a, using: &random) }
    }

    private func subject(_ cache: TokenCache, _ token: [UInt8], nowMS: UInt64 = 1) -> [UInt8]? {
        guard case .believed(let principal)? = cache.find(token.span, nowMS: nowMS)?.verdict else { return nil }
        return principal.subject
    }

    @Test func whatWasPutInIsFoundUntilItIsOver() {
        // So many sets that none of them is asked for more than its four places.
        let cache = TokenCache(most: 8192, mostBytes: 1 << 20, hash: KeyedHash(1, 2))
        for n in 0..<300 { cache.insert(entry(token(n))) }
        #expect((0..<300).allSatisfy { subject(cache, token($0)) == token($0) })
        #expect(subject(cache, token(5), nowMS: 99) != nil)
        #expect(subject(cache, token(5), nowMS: 100) == nil && cache.count == 299)
    }

    /// The end alone decides where it is looked for; all of it, whether it is the one.
    @Test func aTokenWithTheSameSignatureIsAnother() {
        let cache = TokenCache(most: 64, mostBytes: 1 << 20, hash: KeyedHash(1, 2))
        let known = token(1)
        cache.insert(entry(known))
        var forged = known
        forged[0] ^= 1
        #expect(subject(cache, forged) == nil && subject(cache, known) == known)
        #expect(subject(cache, Array(known.dropFirst())) == nil)
        #expect(subject(cache, Array(known.suffix(31))) == nil)
    }

    @Test func itIsBoundedInEntriesAndBytes() {
        let few = TokenCache(most: 256, mostBytes: 1 << 30, hash: KeyedHash(1, 2))
        for n in 0..<10_000 { few.insert(entry(token(n))) }
        #expect(few.count <= 256 && few.count > 200)
        let small = TokenCache(most: 4096, mostBytes: 10_000, hash: KeyedHash(1, 2))
        for n in 0..<1000 { small.insert(entry(token(n, length: 500))) }
        #expect(small.count <= 20 && small.count > 0)
        let none = TokenCache(most: 0, mostBytes: 0, hash: KeyedHash(1, 2))
        none.insert(entry(token(1)))
        #expect(none.count == 0 && subject(none, token(1)) == nil)
    }

    @Test func whatIsAskedForOftenStays() {
        let cache = TokenCache(most: 256, mostBytes: 1 << 30, hash: KeyedHash(1, 2))
        let dear = token(-1)
        cache.insert(entry(dear))
        var found = 0
        for n in 0..<5000 {
            if subject(cache, dear) == nil { cache.insert(entry(dear)) } else { found += 1 }
            cache.insert(entry(token(n)))
        }
        #expect(found > 4900)
    }

    @Test func aNewKeySetOrTheEndOfItsIssuerForgetsIt() throws {
        let good = try Good()
        let issuer = try good.issuer()
        let cache = TokenCache(most: 64, mostBytes: 1 << 20, hash: KeyedHash(1, 2))
        func insert() { cache.insert(entry(token(1), issuer: issuer, keys: issuer.version)) }
        insert()
        #expect(subject(cache, token(1)) != nil)
        // The same set again is no new one.
        issuer.adopt(try #require(issuer.keys().set), text: good.published, nowMS: 5)
        #expect(subject(cache, token(1)) != nil)
        issuer.adopt(try #require(issuer.keys().set), text: good.published + [0x20], nowMS: 6)
        #expect(subject(cache, token(1)) == nil)
        insert()
        #expect(subject(cache, token(1)) != nil)
        issuer.retire()
        #expect(subject(cache, token(1)) == nil)
    }
}

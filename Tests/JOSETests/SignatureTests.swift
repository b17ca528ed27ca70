import JOSE
import Seeded
import Testing

/// What a signature has to be, and what passes for one.
@Suite struct SignatureTests {
    @Test(arguments: Algorithm.allCases) func whatIsSignedIsVerified(_ algorithm: Algorithm) throws {
        let key = try Minting.key(algorithm)
        let text = try key.token(payload: Array(Minting.claims.utf8).span)
        let read = try SigningKey(jwk: key.privateJWK.span)
        let keys = [
            try Minting.verification(algorithm),
            try Minting.taken(jwk: key.privateJWK, takesPrivate: true), try Minting.taken(jwk: read.publicJWK),
            try Minting.taken(jwk: read.publicJWK, prepares: true),
        ]
        for key in keys {
            // More than once: what was set up for a check is used again.
            for _ in 0..<3 { #expect(Minting.fault(text, with: key) == nil) }
            #expect(key.algorithms == AlgorithmSet(algorithm))
            #expect(key.keyID == Array("\(algorithm.name)-1".utf8))
        }
        let again = try read.token(payload: Array("{}".utf8).span)
        #expect(Minting.fault(again, with: keys[0]) == nil)
        for other in Algorithm.allCases where other != algorithm {
            #expect(Minting.fault(text, with: try Minting.verification(other)) == .wrongAlgorithm)
        }
    }

    /// Any change of any character of a token is noticed.
    @Test(arguments: Algorithm.allCases) func everyChangeIsNoticed(_ algorithm: Algorithm) throws {
        var random = Seeded(state: 0x105e + UInt64(algorithm.rawValue))
        let key = try Minting.verification(algorithm)
        let text = try Minting.key(algorithm).token(payload: Array(Minting.claims.utf8).span)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=".utf8)
        for _ in 0..<150 {
            var changed = text
            switch random.count(0...3) {
            case 0: changed.remove(at: random.count(0...(text.count - 1)))
            case 1: changed.insert(random.pick(alphabet), at: random.count(0...text.count))
            case 2: changed.removeLast(random.count(1...text.count))
            default: changed[random.count(0...(text.count - 1))] = random.pick(alphabet)
            }
            if changed != text { #expect(Minting.fault(changed, with: key) != nil) }
        }
    }

    @Test(arguments: Algorithm.allCases) func signaturesHaveOneLength(_ algorithm: Algorithm) throws {
        let key = try Minting.verification(algorithm)
        let parts = Minting.parts(try Minting.key(algorithm).token(payload: Array(Minting.claims.utf8).span))
        let signature = try #require(Minting.decode(parts[2]))
        for wrong in [
            Array(signature.dropLast()), Array(signature.dropFirst()), signature + [0], [0] + signature, signature + signature, [0],
            Array(signature.prefix(signature.count / 2)), [UInt8](repeating: 0, count: signature.count), [UInt8](repeating: 0xff, count: signature.count),
            [UInt8](repeating: 0, count: 4096), Array(signature.reversed()),
        ] {
            #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(wrong)), with: key) == .badSignature)
        }
    }

    /// The order of P-256 (SEC 2).
    private static let order: [UInt8] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
        0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ]

    /// With a table of its multiples a key says of every signature what it says without.
    @Test func aTableChangesNothing() throws {
        var random = Seeded(state: 0x9256)
        for _ in 0..<4 {
            let signer = try SigningKey(new: .es256)
            let plain = try Minting.taken(jwk: signer.publicJWK)
            let prepared = try Minting.taken(jwk: signer.publicJWK, prepares: true)
            for _ in 0..<60 {
                var text = try Minting.token(signer, "{\"n\":\(random.count(0...1_000_000))}")
                #expect(Minting.fault(text, with: prepared) == nil)
                let parts = Minting.parts(text)
                var signature = try #require(Minting.decode(parts[2]))
                for _ in 0..<random.count(1...3) { signature[random.count(0...63)] ^= UInt8(1 << random.count(0...7)) }
                text = Minting.join(parts[0], parts[1], Minting.encode(signature))
                #expect(Minting.fault(text, with: prepared) == Minting.fault(text, with: plain))
            }
        }
    }

    /// CVE-2022-21449 and its relatives.
    @Test(arguments: [false, true]) func ecdsaNumbersAreInRange(_ prepares: Bool) throws {
        let key = try Minting.taken(jwk: try Minting.key(.es256).publicJWK, prepares: prepares)
        let parts = Minting.parts(try Minting.token(#"{"alg":"ES256"}"#))
        let zero = [UInt8](repeating: 0, count: 32)
        let one: [UInt8] = zero.dropLast() + [1]
        let beyond: [UInt8] = Self.order.dropLast() + [0x52]
        let most = [UInt8](repeating: 0xff, count: 32)
        for r in [zero, one, Self.order, beyond, most] {
            for s in [zero, one, Self.order, beyond, most] {
                #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(r + s)), with: key) == .badSignature)
            }
        }
        let good = try #require(Minting.decode(parts[2]))
        #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(Array(good[..<32]) + zero)), with: key) == .badSignature)
        #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(zero + Array(good[32...]))), with: key) == .badSignature)
        // DER, as other formats have it.
        var der: [UInt8] = [0x30, 0x46, 0x02, 0x21, 0x00] + good[..<32]
        der += [0x02, 0x21, 0x00] + good[32...]
        #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(der)), with: key) == .badSignature)
    }

    /// RFC 8032 section 5.1.7: s is below the order, or a second signature could be made of each.
    @Test func edDSASignaturesAreCanonical() throws {
        let order: [UInt8] = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14] + [UInt8](repeating: 0, count: 15) + [0x10]
        let key = try Minting.verification(.edDSA)
        let parts = Minting.parts(try Minting.token(#"{"alg":"EdDSA"}"#, Minting.claims, .edDSA))
        var signature = try #require(Minting.decode(parts[2]))
        var carry = 0
        for i in 0..<32 {
            let sum = Int(signature[32 + i]) + Int(order[i]) + carry
            signature[32 + i] = UInt8(sum & 255)
            carry = sum >> 8
        }
        #expect(Minting.fault(Minting.join(parts[0], parts[1], Minting.encode(signature)), with: key) == .badSignature)
    }

    /// The public key is public: with it as a secret anybody can make an HMAC.
    @Test func publicKeysAreNoSecrets() throws {
        for algorithm in [Algorithm.rs256, .es256, .edDSA] {
            let key = try Minting.key(algorithm)
            let set = try KeySet(Array("{\"keys\":[".utf8 + key.publicJWK + "]}".utf8).span, takesSecrets: true)
            let forged = try SigningKey(jwk: Array(#"{"kty":"oct","alg":"HS256","k":"\#(String(decoding: Minting.encode(key.publicJWK), as: UTF8.self))"}"#.utf8).span)
            for kid in [#","kid":"\#(algorithm.name)-1""#, ""] {
                let text = try forged.token(header: Array(#"{"alg":"HS256"\#(kid)}"#.utf8).span, payload: Array(Minting.claims.utf8).span)
                #expect(Minting.fault(text, with: set) == (kid.isEmpty ? .unknownKey : .wrongAlgorithm))
                #expect(Minting.fault(text, with: try Minting.verification(algorithm)) == .wrongAlgorithm)
            }
        }
        // And a key that states no algorithm is held to its type.
        let open = try Minting.taken(jwk: Array(String(decoding: try Minting.key(.rs256).publicJWK, as: UTF8.self).replacing(#","alg":"RS256""#, with: "").utf8))
        #expect(open.algorithms == .rsa)
        for algorithm in [Algorithm.rs256, .rs512, .ps384] {
            let signer = try SigningKey(jwk: Array(String(decoding: try Minting.key(.rs256).privateJWK, as: UTF8.self).replacing("RS256\"", with: "\(algorithm.name)\"").utf8).span)
            #expect(Minting.fault(try Minting.token(signer), with: open) == nil)
        }
    }

    @Test(arguments: [false, true]) func oneKeyServesManyThreads(_ prepares: Bool) async throws {
        for algorithm in [Algorithm.rs256, .rs512, .ps256, .es256, .edDSA, .hs256] {
            let key = try Minting.taken(jwk: try Minting.key(algorithm).publicJWK, prepares: prepares)
            let text = try Minting.key(algorithm).token(payload: Array(Minting.claims.utf8).span)
            var wrong = text
            wrong[text.count - 5] = wrong[text.count - 5] == 65 ? 66 : 65
            let broken = wrong
            let held = await withTaskGroup(of: Int.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        var held = 0
                        for i in 0..<20 where Minting.fault((i + worker) % 2 == 0 ? text : broken, with: key) == nil { held += 1 }
                        return held
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(held == 160)
        }
    }
}

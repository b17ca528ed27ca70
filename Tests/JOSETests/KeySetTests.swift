import JOSE
import Testing

@Suite struct KeySetTests {
    private static func set(_ keys: [String], takesSecrets: Bool = false) throws -> KeySet {
        try KeySet(Array("{\"keys\":[\(keys.joined(separator: ","))]}".utf8).span, takesSecrets: takesSecrets)
    }
    private static func text(_ algorithm: Algorithm) throws -> String { String(decoding: try Minting.key(algorithm).publicJWK, as: UTF8.self) }

    @Test func whatCannotBeUsedIsSkipped() throws {
        let set = try Self.set([
            try Self.text(.es256), #"{"kty":"unknown"}"#, try Self.text(.hs256), String(decoding: try Minting.key(.rs256).privateJWK, as: UTF8.self), "7",
            try Self.text(.rs384).replacing("sig", with: "enc"), try Self.text(.edDSA), "{}", #"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#,
        ])
        #expect(set.keys.map(\.keyID) == [Array("ES256-1".utf8), Array("EdDSA-1".utf8)])
        #expect(set.skipped == [.unsupported, .isSecret, .isPrivate, .malformed, .notForSignatures, .badMember, .badMember])
        #expect(try Self.set([try Self.text(.hs256)], takesSecrets: true).keys.count == 1)
        #expect(try Self.set([]).keys.isEmpty)
        let other = Array(#"{"other":{"deep":[1]},"keys":[]}"#.utf8)
        let empty = try KeySet(other.span)
        #expect(empty.keys.isEmpty)
    }

    @Test func malformedDocumentsAreRefused() throws {
        for (text, reason) in [
            ("", "empty"), ("[]", "not a JSON object"), ("{}", "no array 'keys'"), (#"{"keys":{}}"#, "no array 'keys'"), (#"{"keys":null}"#, "no array 'keys'"),
            (#"{"keys":[],"keys":[]}"#, "member name used twice"), (#"{"keys":[}"#, "not JSON"), ("<html>", "not JSON"), (#"{"keys":[]}x"#, "follows"),
            (#"{"keys":\#(String(repeating: "[", count: 40))"#, "nested too deeply"),
            (#"{"keys":[\#([String](repeating: "{}", count: 257).joined(separator: ","))]}"#, "more than 256 keys"),
            (#"{"keys":[\#([String](repeating: "0", count: 20_000).joined(separator: ","))]}"#, "too many values"),
            (#"{"keys":[],"x":"\#(String(repeating: "a", count: 256 * 1024))"}"#, "too large"),
        ] {
            do {
                _ = try KeySet(Array(text.utf8).span)
                Issue.record("taken: \(text.prefix(40))")
            } catch {
                #expect(error.text.contains(reason), "\(error.text)")
            }
        }
        #expect(try Self.set([String](repeating: "{}", count: 256)).skipped.count == 256)
    }

    @Test func keysAreFoundByIDAndAlgorithm() throws {
        let set = try Self.set(try [Algorithm.rs256, .es256, .es384, .edDSA].map { try Self.text($0) })
        for algorithm in [Algorithm.rs256, .es256, .es384, .edDSA] {
            let key = try Minting.key(algorithm)
            #expect(Minting.fault(try Minting.token(key), with: set) == nil)
            // Without an id every key of the algorithm is tried.
            #expect(Minting.fault(try Minting.token(#"{"alg":"\#(algorithm.name)"}"#, "{}", algorithm), with: set) == nil)
            #expect(Minting.fault(try Minting.token(#"{"alg":"\#(algorithm.name)","kid":"RS256-2"}"#, "{}", algorithm), with: set) == .unknownKey)
        }
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":"RS256-1"}"#), with: set) == .wrongAlgorithm)
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES384","kid":"ES384-1"}"#), with: set) == .badSignature)
        #expect(Minting.fault(try Minting.token(#"{"alg":"PS256"}"#), with: set) == .unknownKey)
        // A key without an id is for tokens without one.
        let nameless = try Self.set([try Self.text(.es256).replacing(#""kid":"ES256-1","#, with: "")])
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256"}"#), with: nameless) == nil)
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":"ES256-1"}"#), with: nameless) == .unknownKey)
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":""}"#), with: nameless) == .unknownKey)
    }

    @Test func aTokenIsTriedWithFewKeys() throws {
        var keys = try (0..<4).map { _ in String(decoding: try SigningKey(new: .es256, keyID: Array("same".utf8)).publicJWK, as: UTF8.self) }
        let ours = try Self.text(.es256).replacing("ES256-1", with: "same")
        for (place, isFound) in [(0, true), (3, true), (4, false)] {
            let set = try Self.set(Array(keys[..<place]) + [ours] + keys[place...])
            for header in [#"{"alg":"ES256"}"#, #"{"alg":"ES256","kid":"same"}"#] {
                #expect(Minting.fault(try Minting.token(header), with: set) == (isFound ? nil : .badSignature))
            }
        }
        keys.removeAll()
    }
}

import Exchanges
import JOSE
import Testing

/// What is refused before any key is looked at.
@Suite struct CompactTokenTests {
    private static let header = #"{"alg":"ES256","kid":"ES256-1"}"#

    @Test func aTokenIsTakenApart() throws {
        let text = try Minting.token(#"{"alg":"ES256","kid":"a\u002fb","typ":"at+jwt","x5t":"hint","cty":"x"}"#)
        let token = try Minting.parsed(text)
        #expect(token.algorithm == .es256)
        #expect(token.keyID == Array("a/b".utf8))
        #expect(token.type == Array("at+jwt".utf8))
        #expect(token.payload == Array(Minting.claims.utf8))
        #expect(token.signature.count == 64)
        #expect(token.signingInput.range == 0..<(text.count - 87))
        let bare = try Minting.parsed(try Minting.token(#"{"alg":"ES256"}"#, ""))
        #expect(bare.keyID == nil && bare.type == nil && bare.payload.isEmpty)
    }

    @Test func thereAreExactlyThreeParts() throws {
        let parts = Minting.parts(try Minting.token(Self.header))
        let (header, payload, signature) = (parts[0], parts[1], parts[2])
        for wrong in [
            [], Array(".".utf8), Array("..".utf8), header, Minting.join(header, payload), Minting.join(header, payload, []),
            Minting.join([], payload, signature), Minting.join([], [], signature), Minting.join(header, [], []),
            Minting.join(header, payload, signature, []), Minting.join([], header, payload, signature),
            Minting.join(header, payload, signature, signature),
            // An encrypted token (RFC 7516) has five.
            Minting.join(header, [], payload, payload, signature), [UInt8](repeating: UInt8(ascii: "."), count: 8192),
        ] {
            #expect(Minting.fault(wrong) == .wrongParts)
        }
        let json = #"{"payload":"\#(String(decoding: payload, as: UTF8.self))","protected":"","signature":""}"#
        #expect(Minting.fault(Array(json.utf8)) == .wrongParts)
    }

    private static func token(ofLength bytes: Int) -> [UInt8] {
        let rest = bytes - Minting.encode(header).count - 86 - 2
        return Minting.join(Minting.encode(header), [UInt8](repeating: UInt8(ascii: "A"), count: rest), Minting.encode([UInt8](repeating: 1, count: 64)))
    }

    @Test func aTokenIsAtMost8KiB() {
        #expect(Minting.fault(Self.token(ofLength: 8192)) == nil)
        #expect(Minting.fault(Self.token(ofLength: 8193)) == .tooLong)
        #expect(Minting.fault([UInt8](repeating: UInt8(ascii: "A"), count: 1 << 20)) == .tooLong)
    }

    /// One text for one run of bytes: no part may be written in two ways.
    @Test func base64URLIsStrict() throws {
        let parts = Minting.parts(try Minting.token(Self.header, #"{"a":">>>???"}"#))
        for part in 0..<3 {
            for tail in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "+", "/", "?", "%3D", "é"] {
                for place in [0, 5, parts[part].count] {
                    var changed = parts
                    changed[part].insert(contentsOf: Array(tail.utf8), at: place)
                    #expect(Minting.fault(Minting.join(changed[0], changed[1], changed[2])) == .badEncoding, "\(tail) in part \(part) at \(place)")
                }
            }
        }
        for (impossible, canonical) in [("A", ""), ("AB", "AA"), ("AAB", "AAA"), ("AAC", "AAA"), ("AAAAA", "AAAA"), ("AAAAAP", "AAAAAA")] {
            #expect(Minting.decode(Array(impossible.utf8)) == nil, "\(impossible)")
            #expect(Minting.decode(Array(canonical.utf8)) != nil, "\(canonical)")
        }
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for byte in UInt8.min...255 where !alphabet.contains(byte) {
            for at in 0..<8 {
                var text = [UInt8](repeating: UInt8(ascii: "A"), count: 8)
                text[at] = byte
                #expect(Minting.decode(text) == nil)
            }
        }
    }

    @Test func theHeaderIsASmallObject() throws {
        for (header, fault) in [
            ("", TokenFault.wrongParts), ("[]", .badHeader), ("null", .badHeader), ("1", .badHeader), (#""alg""#, .badHeader),
            ("{", .badHeader), (Self.header + "{}", .badHeader), (Self.header + "\0", .badHeader), ("\u{FEFF}" + Self.header, .badHeader),
            (#"{"alg":"ES256",}"#, .badHeader), (#"{'alg':'ES256'}"#, .badHeader), (#"{"alg":"ES256","x":NaN}"#, .badHeader),
            (#"{"alg":"ES256"/**/}"#, .badHeader), (#"{"alg":"ES256","x":"\ud800"}"#, .badHeader),
            (#"{"alg":"ES256","x":[[[[1]]]]}"#, .badHeader), (#"{"alg":"ES256","x":\#(String(repeating: "[", count: 2000))"#, .badHeader),
            (#"{"alg":"ES256",\#((0..<40).map { #""m\#($0)":0"# }.joined(separator: ","))}"#, .badHeader),
            (#"{"alg":"ES256","x":"\#(String(repeating: "a", count: 4096))"}"#, .badHeader),
            (#"{"alg":"ES256","alg":"ES256"}"#, .duplicateMember), (#"{"alg":"none","alg":"ES256"}"#, .duplicateMember),
            (#"{"alg":"ES256","al\u0067":"none"}"#, .duplicateMember), (#"{"alg":"ES256","x":{"a":1,"a":1}}"#, .duplicateMember),
            (#"{"alg":"ES256","kid":"a","kid":"b"}"#, .duplicateMember),
        ] {
            #expect(Minting.fault(try Minting.token(header)) == fault, "\(header.prefix(80))")
        }
        let invalid = Minting.join(Minting.encode(Array(#"{"alg":"ES256","x":""#.utf8) + [0xc0, 0x80] + Array(#""}"#.utf8)), [], Minting.encode("x"))
        #expect(Minting.fault(invalid) == .badHeader)
        #expect(Minting.fault(try Minting.token("\r\n {\t\"alg\" : \"ES256\" } \n")) == nil)
    }

    @Test func theAlgorithmIsOneOfOursAndExact() throws {
        for alg in [
            #""none""#, #""None""#, #""NONE""#, #""nOnE""#, #""nonE""#, #""none ""#, #""""#, #""es256""#, #""ES256 ""#, #"" ES256""#, #""ES256\u0000""#,
            #""ES257""#, #""ES521""#, #""RS257""#, #""XS256""#, #""HT256""#, #""HS1""#, #""ES256K""#, #""RSA1_5""#, #""A128KW""#, #""dir""#,
            #""eddsa""#, #""EDDSA""#, #""Ed448""#, "null", "true", "0", #"["ES256"]"#, #"{"a":"ES256"}"#,
        ] {
            #expect(Minting.fault(try Minting.token(#"{"alg":\#(alg)}"#)) == .unsupportedAlgorithm, "\(alg)")
        }
        #expect(Minting.fault(try Minting.token(#"{"typ":"JWT"}"#)) == .unsupportedAlgorithm)
        #expect(Minting.fault(try Minting.token(#"{"Alg":"ES256"}"#)) == .unsupportedAlgorithm)
        #expect(Minting.fault(try Minting.token(#"{"\u0061lg":"ES\u003256"}"#)) == nil)
        // Not even with a signature that is empty, or anything.
        #expect(Minting.fault(Minting.join(Minting.encode(#"{"alg":"none"}"#), Minting.encode(Minting.claims), [])) == .wrongParts)
    }

    @Test func nothingInTheHeaderChangesTheRules() throws {
        for member in [
            #""crit":["exp"],"exp":1"#, #""crit":["b64"],"b64":false"#, #""crit":[]"#, #""crit":null"#, #""crit":"exp""#, #""crit":["unknown"]"#,
            #""cr\u0069t":["x"]"#, #""b64":false"#, #""b64":true"#, #""zip":"DEF""#, #""zip":null"#, #""jwk":{"kty":"oct","k":"AA"}"#, #""jwk":null"#,
            #""jku":"https://attacker.test/keys""#, #""x5u":"https://attacker.test/chain""#, #""x5c":["MII="]"#,
        ] {
            #expect(Minting.fault(try Minting.token(#"{"alg":"ES256",\#(member)}"#)) == .forbiddenHeader, "\(member)")
        }
    }

    @Test func keyIDsAreShortTexts() throws {
        for kid in ["1", "null", "true", "[]", "{}", #"["ES256-1"]"#, "\"" + String(repeating: "k", count: 257) + "\""] {
            #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":\#(kid)}"#)) == .badKeyID, "\(kid)")
        }
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":"\#(String(repeating: "k", count: 256))"}"#)) == nil)
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","typ":1}"#)) == .badType)
        // Whatever it says, it is only compared.
        let keys = KeySet([try Minting.verification(.es256)])
        for kid in [
            "../../../../dev/null", "/dev/null", "..%2f..%2fetc%2fpasswd", "' OR '1'='1", "x' UNION SELECT 'key';--", "ES256-1\\u0000", "ES256-1\\u0000x",
            "ES256-1 ", "es256-1", "", "|cat /etc/passwd", "https://attacker.test/key", "ES256-1\\ud83d\\ude00",
        ] {
            #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":"\#(kid)"}"#), with: keys) == .unknownKey, "\(kid)")
        }
        #expect(Minting.fault(try Minting.token(#"{"alg":"ES256","kid":"ES256-1"}"#), with: keys) == nil)
    }
}

import JOSE
import Testing

/// Which keys are taken.
@Suite struct VerificationKeyTests {
    private static func number(_ bits: Int, last: UInt8 = 0x01) -> String {
        var bytes = [UInt8](repeating: 0xa5, count: (bits + 7) / 8)
        bytes[0] = bits % 8 == 0 ? 0x80 : 1 << UInt8(bits % 8 - 1)
        bytes[bytes.count - 1] = last
        return String(decoding: Minting.encode(bytes), as: UTF8.self)
    }

    private static func rsa(_ n: String, e: String = "AQAB", _ more: String = "") -> String { #"{"kty":"RSA","n":"\#(n)","e":"\#(e)"\#(more)}"# }

    @Test func rsaKeysHaveASize() {
        for (key, fault) in [
            (Self.rsa(Self.number(512)), KeyFault.weak), (Self.rsa(Self.number(1024)), .weak), (Self.rsa(Self.number(2047)), .weak),
            (Self.rsa(Self.number(8193)), .tooLarge), (Self.rsa(Self.number(65536)), .tooLarge), (Self.rsa(Self.number(2048), e: "AQ"), .weak),
            (Self.rsa(Self.number(2048), e: "AA"), .weak), (Self.rsa(Self.number(2048), e: "AAE"), .weak), (Self.rsa(Self.number(2048), e: "Ag"), .invalid),
            (Self.rsa(Self.number(2048), e: "AQAAAAE"), .tooLarge), (Self.rsa(Self.number(2048, last: 0x02)), .invalid),
            (Self.rsa("", e: "AQAB"), .badMember), (Self.rsa(Self.number(2048), e: ""), .badMember), (Self.rsa(Self.number(2048) + "="), .badMember),
            (Self.rsa(Self.number(2048), #","d":"AQ""#), .badMember), (#"{"kty":"RSA","n":"\#(Self.number(2048))"}"#, .badMember),
            (#"{"kty":"RSA","n":5,"e":"AQAB"}"#, .badMember),
        ] {
            #expect(Minting.fault(jwk: key) == fault, "\(key.prefix(60)) \(key.suffix(30))")
        }
        for bits in [2048, 2049, 3072, 4096, 8192] { #expect(Minting.fault(jwk: Self.rsa(Self.number(bits))) == nil, "\(bits)") }
        for e in ["Aw", "EQ", "AAAAAw", "_____w"] { #expect(Minting.fault(jwk: Self.rsa(Self.number(2048), e: e)) == nil, "\(e)") }
        // The zero that some libraries put before a number.
        #expect(Minting.fault(jwk: Self.rsa("AK" + Self.number(2048))) != .weak)
    }

    private static let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
    private static let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    private static func ec(_ x: String, _ y: String, curve: String = "P-256", _ more: String = "") -> String {
        #"{"kty":"EC","crv":"\#(curve)","x":"\#(x)","y":"\#(y)"\#(more)}"#
    }

    @Test func pointsAreOnTheirCurve() throws {
        let zero = String(repeating: "A", count: 43)
        let p384 = String(decoding: try Minting.key(.es384).publicJWK, as: UTF8.self)
        for (key, fault) in [
            // (0, 0), as infinity is written by mistake; a coordinate changed; x and y exchanged; the field's prime.
            (Self.ec(zero, zero), KeyFault.invalid), (Self.ec(Self.x, zero), .invalid), (Self.ec(Self.y, Self.x), .invalid),
            (Self.ec(Self.x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"), .invalid),
            (Self.ec("_____wAAAAEAAAAAAAAAAAAAAAD_______________8", Self.y), .invalid),
            (Self.ec(Self.x + "AA", Self.y), .badMember), (Self.ec("AQ", Self.y), .badMember), (Self.ec("", ""), .badMember),
            (Self.ec(Self.x, Self.y, curve: "P-384"), .badMember), (p384.replacing("P-384", with: "P-256").replacing("ES384", with: "ES256"), .badMember),
            (Self.ec(Self.x, Self.y, curve: "P-521"), .badMember),
            (Self.ec(Self.x, Self.y, curve: "secp256k1"), .unsupported), (Self.ec(Self.x, Self.y, curve: "p-256"), .unsupported),
            (Self.ec(Self.x, Self.y, curve: ""), .unsupported), (#"{"kty":"EC","x":"\#(Self.x)","y":"\#(Self.y)"}"#, .unsupported),
            (#"{"kty":"EC","crv":"P-256","x":"\#(Self.x)"}"#, .badMember),
        ] {
            #expect(Minting.fault(jwk: key) == fault, "\(key)")
        }
        #expect(Minting.fault(jwk: Self.ec(Self.x, Self.y)) == nil)
        let okp = #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        #expect(Minting.fault(jwk: okp) == nil)
        for (from, to, fault) in [
            ("Ed25519", "X25519", KeyFault.unsupported), ("Ed25519", "Ed448", .unsupported), ("URo\"", "URo=\"", .badMember), ("11qY", "", .badMember),
            ("\"x\"", "\"y\"", .badMember),
        ] {
            #expect(Minting.fault(jwk: okp.replacing(from, with: to)) == fault, "\(to)")
        }
    }

    @Test func algorithmsFitTheirKeys() throws {
        let n = Self.number(2048)
        for (key, fault) in [
            (Self.rsa(n, #","alg":"ES256""#), KeyFault.unsupported), (Self.rsa(n, #","alg":"HS256""#), .unsupported), (Self.rsa(n, #","alg":"none""#), .unsupported),
            (Self.rsa(n, #","alg":"RSA-OAEP""#), .unsupported), (Self.rsa(n, #","alg":256"#), .badMember), (Self.ec(Self.x, Self.y, #","alg":"ES384""#), .unsupported),
            (Self.ec(Self.x, Self.y, #","alg":"ECDH-ES""#), .unsupported), (Self.ec(Self.x, Self.y, #","alg":"ES521""#), .unsupported),
            (Self.rsa(n, #","use":"enc""#), .notForSignatures), (Self.rsa(n, #","use":"""#), .notForSignatures), (Self.rsa(n, #","use":1"#), .badMember),
            (Self.rsa(n, #","key_ops":["sign"]"#), .notForSignatures), (Self.rsa(n, #","key_ops":[]"#), .notForSignatures),
            (Self.rsa(n, #","key_ops":["sign, verify"]"#), .notForSignatures), (Self.rsa(n, #","key_ops":"verify""#), .badMember),
            (Self.rsa(n, #","use":"enc","key_ops":["verify"]"#), .notForSignatures), (Self.rsa(n, #","kid":7"#), .badMember),
            (Self.rsa(n, #","kid":"\#(String(repeating: "k", count: 257))""#), .badMember), (Self.rsa(n, #","n":"AQ""#), .malformed),
            (#"{"kty":"rsa","n":"\#(n)","e":"AQAB"}"#, .unsupported), (#"{"kty":7}"#, .badMember), (#"{"n":"\#(n)","e":"AQAB"}"#, .badMember),
            ("[]", .malformed), ("", .malformed), ("null", .malformed), ("{", .malformed), (Self.rsa(n) + " x", .malformed),
            (#"{"kty":"oct","k":"\#(n)"}"#, .isSecret), (String(decoding: try Minting.key(.rs256).privateJWK, as: UTF8.self), .isPrivate),
            (String(decoding: try Minting.key(.es256).privateJWK, as: UTF8.self), .isPrivate), (String(decoding: try Minting.key(.edDSA).privateJWK, as: UTF8.self), .isPrivate),
        ] {
            #expect(Minting.fault(jwk: key) == fault, "\(key.prefix(60)) \(key.suffix(60))")
        }
        for more in [#","use":"sig""#, #","key_ops":["verify"]"#, #","key_ops":["sign","verify"],"use":"sig""#, #","x5t":"a","unknown":{"a":[1]}"#] {
            #expect(Minting.fault(jwk: Self.rsa(n, more)) == nil, "\(more)")
        }
    }

    /// RFC 7518 section 3.2: a secret is at least as long as the hash.
    @Test func secretsAreAsLongAsTheirHash() throws {
        func secret(_ count: Int, _ more: String = "") -> String {
            #"{"kty":"oct","k":"\#(String(decoding: Minting.encode([UInt8](repeating: 7, count: count)), as: UTF8.self))"\#(more)}"#
        }
        for (key, fault) in [
            (secret(0), KeyFault.weak), (secret(31), .weak), (secret(31, #","alg":"HS256""#), .weak), (secret(47, #","alg":"HS384""#), .weak),
            (secret(63, #","alg":"HS512""#), .weak), (secret(64, #","alg":"RS256""#), .unsupported),
        ] {
            #expect(Minting.fault(jwk: key, takesSecret: true) == fault, "\(key)")
        }
        for (count, algorithms) in [(32, AlgorithmSet([.hs256])), (48, [.init(.hs256), .init(.hs384)]), (64, .symmetric), (200, .symmetric)] {
            #expect(try Minting.taken(jwk: Array(secret(count).utf8)).algorithms == algorithms)
        }
    }
}

import JOSE
import Testing

/// Examples of the RFCs themselves.
@Suite struct PublishedExampleTests {
    private static let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

    private static func holds(_ jwk: String, _ token: String) -> Bool {
        guard let key = try? Minting.taken(jwk: Array(jwk.utf8)) else { return false }
        return Minting.fault(Array(token.utf8), with: key) == nil
    }

    @Test func rfc7515A1() throws {
        let jwk = #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + Self.payload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        #expect(Self.holds(jwk, token))
        let claims = try ClaimSet(try Minting.parsed(Array(token.utf8)).payload)
        #expect(claims.issuer == Array("joe".utf8))
        #expect(claims.expiresMS == 1_300_819_380_000)
        #expect(claims.text(at: [Array("http://example.com/is_root".utf8)]) == Array("true".utf8))
    }

    @Test func rfc7515A3() {
        let jwk = #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
        #expect(Self.holds(jwk, "eyJhbGciOiJFUzI1NiJ9." + Self.payload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"))
    }

    @Test func rfc8037() throws {
        let jwk = #"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        let key = try SigningKey(jwk: Array(jwk.utf8).span)
        // A.3: the thumbprint; A.4: the signature is the same each time.
        #expect(key.keyID == Array("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".utf8))
        let token = try key.token(header: Array(#"{"alg":"EdDSA"}"#.utf8).span, payload: Array("Example of Ed25519 signing".utf8).span)
        #expect(
            String(decoding: token, as: UTF8.self)
                == "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        #expect(Self.holds(String(decoding: key.publicJWK, as: UTF8.self), String(decoding: token, as: UTF8.self)))
    }

    @Test func rfc4648() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy")] {
            #expect(Minting.encode(bytes) == Array(text.utf8))
            #expect(Minting.decode(Array(text.utf8)) == Array(bytes.utf8))
        }
        let all = (UInt8.min...255).map { $0 }
        #expect(Minting.decode(Minting.encode(all)) == all)
    }
}

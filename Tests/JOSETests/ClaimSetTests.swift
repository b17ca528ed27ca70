import JOSE
import Seeded
import Testing

@Suite struct ClaimSetTests {
    private static func claims(_ text: String) -> Result<ClaimSet, TokenFault> {
        Result { () throws(TokenFault) in try ClaimSet(Array(text.utf8)) }
    }
    private static func fault(_ text: String) -> TokenFault? {
        guard case .failure(let fault) = claims(text) else { return nil }
        return fault
    }
    private static func bytes(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    @Test func claimsHaveTheirTypes() throws {
        let claims = try Self.claims(
            #"{"iss":"i","sub":"s","aud":["a","b"],"exp":100,"nbf":50.5,"iat":1e1,"jti":"j","scope":"read write","realm_access":{"roles":["X","Y"]},"roles":"ADMIN","n":1.50,"t":true,"z":null,"o":{}}"#
        ).get()
        #expect(claims.issuer == Array("i".utf8) && claims.subject == Array("s".utf8) && claims.tokenID == Array("j".utf8))
        #expect(claims.audiences == Self.bytes("a", "b"))
        #expect(claims.expiresMS == 100_000 && claims.notBeforeMS == 50_500 && claims.issuedMS == 10_000)
        #expect(claims.scopes == Self.bytes("read", "write"))
        #expect(try claims.texts(at: Self.bytes("realm_access", "roles")) == Self.bytes("X", "Y"))
        #expect(try claims.texts(at: Self.bytes("roles")) == Self.bytes("ADMIN"))
        #expect(try claims.texts(at: Self.bytes("realm_access", "other")).isEmpty && claims.texts(at: Self.bytes("roles", "x")).isEmpty)
        #expect(throws: TokenFault.badClaim) { try claims.texts(at: Self.bytes("n")) }
        #expect(throws: TokenFault.badClaim) { try claims.texts(at: Self.bytes("realm_access")) }
        #expect(claims.text(at: Self.bytes("n")) == Array("1.50".utf8) && claims.text(at: Self.bytes("t")) == Array("true".utf8))
        #expect(claims.text(at: Self.bytes("z")) == nil && claims.text(at: Self.bytes("o")) == nil && claims.text(at: []) == nil)
        #expect(try Self.claims(#"{"aud":"one","scp":["a b","c"]}"#).get().audiences == Self.bytes("one"))
        #expect(try Self.claims(#"{"scp":["a b","c"]}"#).get().scopes == Self.bytes("a b", "c"))
        #expect(try Self.claims(#"{"scp":" x  y "}"#).get().scopes == Self.bytes("x", "y"))
        #expect(try Self.claims(#"{"sub":"\u0061\n"}"#).get().subject == Array("a\n".utf8))
        #expect(try Self.claims("{}").get().expiresMS == nil)
    }

    @Test func wrongTypesAreRefused() {
        for claim in ["iss", "sub", "jti"] {
            for value in ["1", "null", "true", "[]", #"["a"]"#, "{}"] { #expect(Self.fault(#"{"\#(claim)":\#(value)}"#) == .badClaim, "\(claim) \(value)") }
        }
        for claim in ["aud", "scope", "scp"] {
            for value in ["1", "null", "true", "{}", "[1]", #"["a",null]"#, #"[["a"]]"#] {
                #expect(Self.fault(#"{"\#(claim)":\#(value)}"#) == .badClaim, "\(claim) \(value)")
            }
            let many = (0..<257).map { "\"\($0)\"" }.joined(separator: ",")
            #expect(Self.fault(#"{"\#(claim)":[\#(many)]}"#) == .badClaim)
        }
        #expect(Self.fault(#"{"scope":"\#(String(repeating: "a ", count: 257))"}"#) == .badClaim)
        for claim in ["exp", "nbf", "iat"] {
            for value in [
                #""1700000000""#, #""""#, "null", "true", "[]", "[1700000000]", "{}", "1e308", "-1e308", "1e999", "-1e999", "253402300801", "99999999999999999999",
                #""NaN""#, #""Infinity""#,
            ] {
                #expect(Self.fault(#"{"\#(claim)":\#(value)}"#) == .badClaim, "\(claim) \(value)")
            }
            for value in ["NaN", "Infinity", "0x10", "01", "+1", "1.", ".5", "1e"] {
                #expect(Self.fault(#"{"\#(claim)":\#(value)}"#) == .badPayload, "\(claim) \(value)")
            }
        }
    }

    @Test func thePayloadIsOneObject() {
        for payload in ["", " ", "[]", "null", "1", #""{}""#, "{", "{}{}", "{} x", "{,}", "not json", #"{"a":"\ud800"}"#] { #expect(Self.fault(payload) == .badPayload, "\(payload)") }
        for payload in [#"{"sub":"a","sub":"b"}"#, #"{"sub":"a","su\u0062":"b"}"#, #"{"exp":1,"exp":2}"#, #"{"x":[{"a":1,"a":2}]}"#] {
            #expect(Self.fault(payload) == .duplicateMember, "\(payload)")
        }
        #expect(Self.fault(#"{"a":\#(String(repeating: "[", count: 6000))"#) == .badPayload)
        #expect(Self.fault(#"{"a":\#(String(repeating: "[", count: 15))\#(String(repeating: "]", count: 15))}"#) == nil)
        #expect(Self.fault(#"{"a":[\#([String](repeating: "0", count: 1100).joined(separator: ","))]}"#) == .badPayload)
    }

    @Test func datesAreKept() throws {
        func fault(_ claims: String, _ nowMS: Int64, leeway: Int64 = 0) throws -> TokenFault? {
            let claims = try Self.claims(#"{"iss":"i",\#(claims)}"#).get()
            do {
                try claims.check(ClaimRules(issuer: Array("i".utf8), audiences: [], leewayMS: leeway), nowMS: nowMS, type: nil)
                return nil
            } catch {
                return error
            }
        }
        for (claims, now, leeway, expected) in [
            (#""exp":100"#, 99_999, 0, nil), (#""exp":100"#, 100_000, 0, TokenFault.expired), (#""exp":100"#, 100_001, 0, .expired),
            (#""exp":100"#, 159_999, 60_000, nil), (#""exp":100"#, 160_000, 60_000, .expired), (#""exp":100"#, 160_000, 3_600_000, .expired),
            (#""exp":100"#, 100_000, -5, .expired), (#""exp":100.5"#, 100_499, 0, nil), (#""exp":100.5"#, 100_500, 0, .expired), (#""exp":1.005e2"#, 100_499, 0, nil),
            (#""exp":-1"#, 1_000, 0, .expired), (#""exp":0"#, 1_000, 0, .expired), (#""exp":-0.0"#, 1_000, 0, .expired), (#""exp":253402300800"#, 1_000, 0, nil),
            (#""exp":200,"nbf":100"#, 99_999, 0, .notYetValid), (#""exp":200,"nbf":100"#, 100_000, 0, nil), (#""exp":200,"nbf":100"#, 40_000, 60_000, nil),
            (#""exp":200,"nbf":100"#, 39_999, 60_000, .notYetValid), (#""exp":200,"nbf":-5"#, 0, 0, nil), (#""nbf":100"#, 200_000, 0, .endless),
            (#""iat":500,"exp":600"#, 1_000, 0, nil),
        ] as [(String, Int64, Int64, TokenFault?)] {
            #expect(try fault(claims, now, leeway: leeway) == expected, "\(claims) at \(now) with \(leeway)")
        }
    }

    @Test func issuerAudienceAndTypeAreOurs() throws {
        func fault(_ claims: String, audiences: [[UInt8]] = ClaimSetTests.bytes("shop", "admin"), onlyAccessTokens: Bool = false, type: String? = nil) throws -> TokenFault? {
            let rules = ClaimRules(issuer: Array("https://i".utf8), audiences: audiences, onlyAccessTokens: onlyAccessTokens)
            do {
                try Self.claims(claims).get().check(rules, nowMS: 0, type: type.map { Array($0.utf8) })
                return nil
            } catch {
                return error
            }
        }
        for (iss, expected) in [
            (#""iss":"https://i","#, nil), ("", TokenFault.wrongIssuer), (#""iss":"https://i/","#, .wrongIssuer), (#""iss":"HTTPS://i","#, .wrongIssuer),
            (#""iss":"","#, .wrongIssuer), (#""iss":"https://i\u0000","#, .wrongIssuer),
        ] as [(String, TokenFault?)] {
            #expect(try fault(#"{\#(iss)"aud":"shop","exp":1}"#) == expected, "\(iss)")
        }
        for (aud, expected) in [
            (#","aud":"shop""#, nil), (#","aud":["x","admin"]"#, nil), ("", TokenFault.wrongAudience), (#","aud":[]"#, .wrongAudience), (#","aud":"""#, .wrongAudience),
            (#","aud":"shop admin""#, .wrongAudience), (#","aud":"Shop""#, .wrongAudience), (#","aud":["x"]"#, .wrongAudience),
        ] as [(String, TokenFault?)] {
            #expect(try fault(#"{"iss":"https://i","exp":1\#(aud)}"#) == expected, "\(aud)")
        }
        let token = #"{"iss":"https://i","exp":1}"#
        #expect(try fault(token, audiences: []) == nil)
        for (type, expected) in [
            ("at+jwt", nil), ("AT+JWT", nil), ("application/at+jwt", nil), ("JWT", TokenFault.wrongType), ("", .wrongType), (nil, .wrongType), ("at+jwtx", .wrongType),
        ] as [(String?, TokenFault?)] {
            #expect(try fault(token, audiences: [], onlyAccessTokens: true, type: type) == expected, "\(type ?? "absent")")
        }
    }

    /// Payloads drawn from pieces: read the same each time, or refused; dates never leave their bounds.
    @Test func drawnPayloads() {
        var random = Seeded(state: 0xc1a1)
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"exp\"", "\"nbf\"", "\"aud\"", "\"iss\"", "\"roles\"", "\"a\"", "1", "-1", "1e5", "1e308", "0.5", "1700000000", "null", "true", "\"\\u0061\"", " ",
            "{\"exp\":1}", "{\"aud\":[\"a\"]", "\"scope\":\"a b\"", "é", "\0",
        ]
        for _ in 0..<5000 {
            var text = random.chance(2) ? "{" : ""
            for _ in 0..<random.count(0...12) { text += random.pick(pieces) }
            if random.chance(2) { text += "}" }
            guard case .success(let claims) = Self.claims(text) else { continue }
            for date in [claims.expiresMS, claims.notBeforeMS, claims.issuedMS] { #expect(date.map { abs($0) <= ClaimSet.furthestMS } ?? true) }
            #expect(claims.scopes.count <= ClaimSet.mostEntries && claims.audiences.count <= ClaimSet.mostEntries)
        }
    }
}

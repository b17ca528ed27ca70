import Exchanges
import JOSE
import Settings
import Testing

@testable import Identity

@Suite struct TokenVerifierTests {
    private func verify(_ token: [UInt8], _ issuers: [Issuer], nowMS: UInt64 = Good.nowMS) -> TokenVerifier.Result {
        TokenVerifier.verify(token.span, issuers: issuers, nowMS: nowMS)
    }

    private func principal(_ token: [UInt8], _ issuers: [Issuer], nowMS: UInt64 = Good.nowMS) -> Principal? {
        guard case .believed(let principal, _, _) = verify(token, issuers, nowMS: nowMS) else { return nil }
        return principal
    }

    private func fault(_ token: [UInt8], _ issuers: [Issuer], nowMS: UInt64 = Good.nowMS) -> CredentialFault? {
        guard case .refused(let fault, _, _) = verify(token, issuers, nowMS: nowMS) else { return nil }
        return fault
    }

    @Test func whatATokenSaysBecomesItsPrincipal() throws {
        var good = try Good()
        good.settings.claims = [ClaimPath("tenant"), ClaimPath("absent")]
        good.settings.roles = try #require(ClaimPath(parsing: "/realm/roles"))
        good.settings.headers = [.init(name: "x-user-id", claim: ClaimPath("sub")), .init(name: "x-none", claim: ClaimPath("none"))]
        good.settings.leeway = 10_000
        let token = try good.token(more: #","jti":"j","iat":5,"scope":"read write","tenant":"t","realm":{"roles":["A","B"]}"#)
        let found = try #require(principal(token, [try good.issuer()]))
        #expect(found.kind == .user && found.issuer == Array("shop".utf8) && found.subject == Array("user-1".utf8))
        #expect(found.roles == [[0x41], [0x42]] && found.scopes == [Array("read".utf8), Array("write".utf8)])
        #expect(found.claims.map(\.name) == [Array("tenant".utf8)] && found.claims.map(\.value) == [[0x74]])
        #expect(found.tokenID == [0x6a] && found.issuedMS == 5000 && found.expiresMS == Good.nowMS + 70_000)
        #expect(found.fieldLines == Array("x-user-id: user-1\r\n".utf8))
    }

    @Test func theLeewayEndsItToTheMillisecond() throws {
        var good = try Good()
        good.settings.leeway = 10_000
        let issuer = try good.issuer()
        let token = try good.token()
        #expect(principal(token, [issuer], nowMS: Good.nowMS + 69_999) != nil)
        #expect(fault(token, [issuer], nowMS: Good.nowMS + 70_000) == .expired)
    }

    @Test func itsIssuerDecides() throws {
        let one = try Good()
        var two = try Good("k2")
        two.settings.issuer = "https://two.example/"
        let issuers = [try one.issuer(), try two.issuer()]
        #expect(principal(try one.token(), issuers) != nil)
        // Signed by the other's key.
        guard case .unknownKey(let kid, let issuer, _) = verify(try two.token(), issuers) else {
            Issue.record("the key of another issuer was known")
            return
        }
        #expect(kid == Array("k2".utf8) && issuer === issuers[0])
        #expect(fault(try one.token(), [issuers[1]]) == .wrongIssuer)
    }

    @Test func typesAndServices() throws {
        var good = try Good()
        good.settings.type = .jwt
        good.settings.service = .init(claim: ClaimPath("roles"), values: ["SERVICE"])
        let payload = Array(#"{"iss":"https://shop.example/","aud":"gateway","sub":"s","exp":1900000000,"roles":["SERVICE"]}"#.utf8)
        let access = try good.key.token(payload: payload.span, type: "at+jwt")
        #expect(fault(access, [try good.issuer()]) == .wrongType)
        let plain = try good.key.token(payload: payload.span)
        #expect(principal(plain, [try good.issuer()])?.kind == .service)
        good.settings.type = .accessToken
        #expect(principal(access, [try good.issuer()])?.kind == .service)
        #expect(fault(try good.token(), [try good.issuer()]) == .wrongType)
    }

    @Test func withoutKeysNobodyIsBelieved() throws {
        let good = try Good(remote: RemoteKeys(cluster: "a", path: "/"))
        guard case .noKeys = verify(try good.token(), [Issuer(good.settings)]) else {
            Issue.record("believed without keys")
            return
        }
    }

    @Test func valuesStayInTheirFields() {
        func text(_ claim: String) -> String { String(decoding: FieldValue.text(Array(claim.utf8)), as: UTF8.self) }
        #expect(text("a b, c") == "a b, c" && text(" a ") == "%20a%20" && text("a\r\nb: c%") == "a%0D%0Ab: c%25" && text("é\u{7f}") == "%C3%A9%7F")
        #expect(FieldValue.list([Array("a,b".utf8), Array("c".utf8)]) == Array("a%2Cb,c".utf8))
    }
}

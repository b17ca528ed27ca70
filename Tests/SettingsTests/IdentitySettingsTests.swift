import Testing

@testable import Settings

@Suite struct IdentitySettingsTests {
    private func read(_ text: String) -> (settings: IdentitySettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "nexus.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.identity ?? IdentitySettings(), diagnostics.sorted.map { "\($0)".replacing("nexus.yaml:", with: "") })
    }

    private static let issuer = "name: a, issuer: b, audiences: c, algorithms: ES256, keys: { file: k }"

    @Test func everyKeyIsRead() throws {
        let (settings, problems) = read("""
            clusters: { auth: { endpoints: [10.0.0.1:80] } }
            identity:
              issuers:
                - name: shop
                  issuer: https://issuer.example/
                  audiences: [nexus-gateway, other]
                  algorithms: [ES256, RS256]
                  keys: { cluster: auth, path: /keys, refresh: 1m, timeout: 1s, stale: 2h }
                  type: at+jwt
                  leeway: 5s
                  roles: /realm_access/a~1b~0
                  scopes: scp
                  service: { claim: kind, values: [machine] }
                  claims: [tenant]
                  headers: { X-User-Id: sub }
                  forward: false
                - { name: own, issuer: x, audiences: any, algorithms: HS256, keys: { file: own.json } }
              certificates: { services: ["spiffe://*"] }
              session: { cookie: sid, header: X-Sid }
              tokens_in_memory: 7
            """)
        #expect(problems == [])
        var shop = IssuerSettings(name: "shop", issuer: "https://issuer.example/")
        shop.audiences = ["nexus-gateway", "other"]
        shop.algorithms = ["ES256", "RS256"]
        var remote = RemoteKeys(cluster: "auth", path: "/keys")
        (remote.refresh, remote.timeout, remote.stale) = (60_000, 1000, 7_200_000)
        shop.keys = .remote(remote)
        shop.type = .accessToken
        shop.leeway = 5000
        shop.roles = try #require(ClaimPath(parsing: "/realm_access/a~1b~0"))
        #expect(shop.roles.names == ["realm_access", "a/b~"])
        shop.scopes = ClaimPath("scp")
        shop.service = .init(claim: ClaimPath("kind"), values: ["machine"])
        shop.claims = [ClaimPath("tenant")]
        shop.headers = [.init(name: "x-user-id", claim: ClaimPath("sub"))]
        shop.forward = false
        #expect(settings.issuers.first == shop)
        #expect(settings.issuers.last?.audiences == [] && settings.issuers.last?.keys == .file(PlacedPath("own.json", at: SourcePosition(file: ""))))
        #expect(settings.services == ["spiffe://*"] && settings.session.cookie == "sid" && settings.session.header == "x-sid")
        #expect(settings.tokensInMemory == 7)
    }

    @Test(arguments: [
        ("{ issuers: [{}] }", "an issuer needs a name"),
        ("{ issuers: [{ name: A }] }", "the name of an issuer must be 1 to 64 of a-z, 0-9 and -, not 'A'"),
        ("{ issuers: [{ name: a }] }", "an issuer needs 'issuer', the 'iss' of its tokens"),
        ("{ issuers: [{ name: a, issuer: b }] }", "an issuer needs 'audiences', one of which must be in 'aud': [nexus-gateway], or any"),
        ("{ issuers: [{ name: a, issuer: b }] }", "an issuer needs 'algorithms', those its keys are used with: [ES256]"),
        ("{ issuers: [{ name: a, issuer: b }] }", "an issuer needs 'keys': { file: jwks.json } or { cluster: auth, path: /.well-known/jwks.json }"),
        ("{ issuers: [{ \(issuer), algorithm: x }] }", "unknown key 'algorithm' in an issuer (did you mean 'algorithms'?)"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: none, keys: { file: k } }] }", "'algorithms' must be one of HS256"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: es256, keys: { file: k } }] }", "(did you mean 'ES256'?)"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: HS256, keys: { cluster: x, path: / } }] }", "need a secret, which nobody publishes"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: ES256, keys: { cluster: x, path: / } }] }", "there is no cluster 'x'"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: ES256, keys: { cluster: x } }] }", "the keys of an issuer needs 'path', where the cluster has the key set"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: ES256, keys: { cluster: x, path: keys } }] }", "'path' must be a path that begins with /, not 'keys'"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: ES256, keys: { cluster: x, path: /, refresh: 1s } }] }", "'refresh' must be from 30s to 1d, not 1s"),
        ("{ issuers: [{ name: a, issuer: b, audiences: c, algorithms: ES256, keys: {} }] }", "the keys of an issuer come either from a 'file' or from a 'cluster'"),
        ("{ issuers: [{ \(issuer), leeway: 61s }] }", "'leeway' must be from 0 to 1m, not 61s"),
        ("{ issuers: [{ \(issuer), type: jwe }] }", "'type' must be one of jwt, at+jwt, any, not 'jwe'"),
        ("{ issuers: [{ \(issuer), roles: /a~2 }] }", "'roles' must name a claim, such as roles, or point to one"),
        ("{ issuers: [{ \(issuer), service: { claim: a } }] }", "the claim of services needs 'claim' and 'values'"),
        ("{ issuers: [{ \(issuer), headers: { Host: sub } }] }", "'Host' has a meaning of its own: choose another name, such as X-User-Id"),
        ("{ issuers: [{ \(issuer), headers: { grpc-x: sub } }] }", "'grpc-x' has a meaning of its own"),
        ("{ issuers: [{ \(issuer), headers: { 'x y': sub } }] }", "'x y' is no field's name"),
        ("{ issuers: [{ \(issuer), headers: { X-A: sub, x-a: iss } }] }", "'x-a' is made of a claim already"),
        ("{ issuers: [{ \(issuer) }, { \(issuer) }] }", "there is another issuer with the name 'a'"),
        ("{ issuers: [{ \(issuer) }, { name: z, issuer: b, audiences: c, algorithms: ES256, keys: { file: k } }] }", "issuer 'a' has the same 'issuer'"),
        ("{ certificates: { service: a } }", "unknown key 'service' in the certificates of services (did you mean 'services'?)"),
        ("{ session: { cookie: 'a b' } }", "'cookie' must be a name of 1 to 64 letters, digits, - and _, not 'a b'"),
        ("{ tokens_in_memory: -1 }", "'tokens_in_memory' must be from 0 to 16777216, not -1"),
    ])
    func mistakesAreRefusedAtTheirPlace(_ text: String, _ message: String) {
        let problems = read("identity: " + text).problems
        #expect(problems.contains { $0.contains(message) && $0.wholeMatch(of: /1:\d+: error: .*/) != nil }, "\(problems)")
    }

    /// The reference file shows an issuer in comments: uncommented it says the defaults.
    @Test func theReferenceFileShowsTheDefaults() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let diagnostics = Diagnostics()
        let bytes = try #require(FileBytes.read(path: "/\(root)/config/nexus.yaml", atMost: 1 << 20, at: SourcePosition(file: ""), diagnostics))
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasPrefix("  #   issuers:") })
        let end = try #require(lines.firstIndex { $0.hasPrefix("  issuers: []") })
        let section = lines[start..<end].map { "  " + $0.dropFirst(5) }.joined(separator: "\n")
        let (settings, problems) = read("identity:\n" + section)
        #expect(problems == [])
        var expected = IssuerSettings(name: "shop", issuer: "https://issuer.example/")
        expected.audiences = ["nexus-gateway"]
        expected.algorithms = ["ES256", "RS256"]
        expected.keys = .file(PlacedPath("certs/jwks.json", at: SourcePosition(file: "")))
        expected.service = .init(claim: ClaimPath("roles"), values: ["SERVICE"])
        expected.claims = [ClaimPath("tenant")]
        expected.headers = [.init(name: "x-user-id", claim: ClaimPath("sub")), .init(name: "x-user-roles", claim: ClaimPath("roles"))]
        #expect(settings.issuers == [expected])
    }
}

import Exchanges
import Settings
import Testing

@testable import Routes

/// What `cors` may say, and what it then decides.
struct CORSTests {
    func problems(_ rules: String, match: String = "{ path: /a, method: [GET, PUT] }", target: String = "{ cluster: shared }", _ rest: String = "") -> [String] {
        compile("routes:\n- name: a\n  match: \(match)\n  target: \(target)\n  cors: \(rules)\n" + (rest.isEmpty ? "" : "  \(rest)\n")).problems
    }

    @Test(arguments: [
        "{ origins: \"*\" }", "{ origins: [https://a.example, \"*\"] }", "{ origins: https://a.example, credentials: true }",
        "{ origins: [\"null\", \"https://*.a.example:8443\", \"http://localhost:3000\", \"http://10.0.0.1\", \"http://[::1]:80\"] }"
            .replacing(":80\"", with: ":81\""),
        "{ origins: [chrome-extension://abc, capacitor://localhost] }", "{ origins: https://a.example, methods: [GET, HEAD, PUT] }",
        "{ origins: https://a.example, headers: \"*\", expose: [\"*\", X-Total] }", "{ origins: https://a.example, max_age: 0 }",
        "{ origins: https://a.example, max_age: 1d }",
    ])
    func rulesThatAreFine(_ rules: String) { #expect(problems(rules) == []) }

    @Test(arguments: [
        ("yes", "5:9: error: the CORS rules of a route must be a map, not 'yes'"),
        ("{ headers: x-a }", "5:9: error: 'cors' needs 'origins': which pages may use the route?"),
        ("{ origins: [] }", "5:11: error: 'origins' names no origin"),
        ("{ origins: shop.example }", "5:20: error: 'shop.example' is not an origin: write https://shop.example"),
        ("{ origins: \"\" }", "5:20: error: '' is not an origin: write https://shop.example"),
        ("{ origins: \"://a.example\" }", "5:20: error: '://a.example' is not an origin: write https://shop.example"),
        ("{ origins: \"4x://a.example\" }", "5:20: error: '4x://a.example' is not an origin: write https://shop.example"),
        ("{ origins: https://a.example/ }", "5:20: error: an origin ends with its host or port: 'https://a.example/' has a path"),
        ("{ origins: https://A.example }", "5:20: error: origins have lower case: 'https://a.example'"),
        ("{ origins: https://a.example:443 }", "5:20: error: browsers leave the port 443 out of 'https://a.example:443'"),
        ("{ origins: http://a.example:80 }", "5:20: error: browsers leave the port 80 out of 'http://a.example:80'"),
        ("{ origins: https://a.example:0 }", "5:20: error: '0' in 'https://a.example:0' is not a port"),
        ("{ origins: https://a.example:65536 }", "5:20: error: '65536' in 'https://a.example:65536' is not a port"),
        ("{ origins: https://a.example:08 }", "5:20: error: '08' in 'https://a.example:08' is not a port"),
        ("{ origins: \"https://\" }", "5:20: error: '' in 'https://' is not a host: write https://shop.example or \"https://*.shop.example\""),
        ("{ origins: \"https://*\" }", "5:20: error: '*' in 'https://*' is not a host: write https://shop.example or \"https://*.shop.example\""),
        ("{ origins: \"https://a.*.example\" }", "5:20: error: 'a.*.example' in 'https://a.*.example' is not a host: write https://shop.example or \"https://*.shop.example\""),
        ("{ origins: \"https://*.10.0.0.1\" }", "5:20: error: '*.10.0.0.1' in 'https://*.10.0.0.1' is not a host: write https://shop.example or \"https://*.shop.example\""),
        ("{ origins: \"https://u@a.example\" }", "5:20: error: 'u@a.example' in 'https://u@a.example' is not a host: write https://shop.example or \"https://*.shop.example\""),
        ("{ origins: [https://a.example, https://a.example] }", "5:40: error: the origin https://a.example is named twice"),
        ("{ origins: \"*\", credentials: true }", "5:11: error: browsers take no * together with credentials: name the origins"),
        ("{ origins: https://a.example, headers: \"*\", credentials: true }", "5:39: error: browsers take no * together with credentials: name the headers"),
        ("{ origins: https://a.example, expose: \"*\", credentials: true }", "5:39: error: browsers take no * together with credentials: name the headers"),
        ("{ origins: https://a.example, credentials: 1 }", "5:52: error: 'credentials' must be true or false, not '1'"),
        ("{ origins: https://a.example, methods: [] }", "5:39: error: 'methods' names no method"),
        ("{ origins: https://a.example, methods: put }", "5:48: error: methods have upper case: 'PUT'"),
        ("{ origins: https://a.example, methods: DELETE }", "5:48: error: this route does not take DELETE"),
        ("{ origins: https://a.example, methods: TRACE }", "5:48: error: browsers never send TRACE"),
        ("{ origins: https://a.example, methods: [PUT, PUT] }", "5:54: error: the method PUT is named twice"),
        ("{ origins: https://a.example, headers: [x-a, X-A] }", "5:54: error: the header 'x-a' is named twice"),
        ("{ origins: https://a.example, headers: \"x a\" }", "5:48: error: 'x a' is not a header name"),
        ("{ origins: https://a.example, expose: \"x:\" }", "5:47: error: 'x:' is not a header name"),
        ("{ origins: https://a.example, max_age: 1500ms }", "5:39: error: 'max_age' is counted in whole seconds"),
        ("{ origins: https://a.example, max_age: 600 }", "5:48: error: 'max_age' must be a duration such as 250ms, 10s, 5m or 1h, not '600'"),
        ("{ origins: https://a.example, max_age: 2d }", "5:48: error: 'max_age' must be from 0 to 1d, not 2d"),
        ("{ origins: https://a.example, max-age: 1m }", "5:39: error: unknown key 'max-age' in the CORS rules of a route (did you mean 'max_age'?)"),
    ])
    func rulesThatAreNot(_ rules: String, _ problem: String) { #expect(problems(rules) == ["r.yaml:\(problem)"]) }

    @Test func anyMethod() {
        let rules = "{ origins: \"*\", methods: GETT }"
        #expect(problems(rules, match: "{ path: /a }") == ["r.yaml:5:34: error: unknown method 'GETT' (did you mean 'GET'?)"])
    }

    @Test func theFieldsHaveOneWriter() {
        let rules = "{ origins: \"*\" }"
        #expect(
            problems(rules, "headers: { response: { set: { Access-Control-Allow-Origin: \"*\" } } }") == [
                "r.yaml:6:3: error: 'access-control-allow-origin' is written by 'cors' of this route"
            ])
        #expect(
            problems(rules, target: "{ fixed: { status: 200, headers: { access-control-max-age: \"1\" } } }") == [
                "r.yaml:4:3: error: 'access-control-max-age' is written by 'cors' of this route"
            ])
    }

    // MARK: - Decisions

    @Test(arguments: [
        ("*", "https://x.example", true), ("*", "null", true), ("null", "null", true), ("null", "Null", false),
        ("https://a.example", "https://a.example", true), ("https://a.example", "https://a.example:443", false),
        ("https://a.example", "HTTPS://a.example", false), ("https://a.example", "", false),
        ("https://*.a.example", "https://b.a.example", true), ("https://*.a.example", "https://c.b.a.example", true),
        ("https://*.a.example", "https://a.example", false), ("https://*.a.example", "https://.a.example", false),
        ("https://*.a.example", "http://b.a.example", false), ("https://*.a.example", "https://b.a.example:8443", false),
        ("https://*.a.example", "https://ba.example", false), ("https://*.a.example", "https://b/.a.example", false),
        ("https://*.a.example", "https://b:1.a.example", false), ("https://*.a.example:81", "https://b.a.example:81", true),
        ("https://*.a.example", "https://b.a.example.evil", false), ("https://*.a.example", "https:/", false),
    ])
    func origins(_ pattern: String, _ origin: String, _ matches: Bool) throws {
        let found = try OriginPattern(pattern).matches(Array(origin.utf8).span)
        #expect(found == matches)
    }

    static let table = compile(
        """
        routes:
        - name: items
          match: { path: "/items/{id}", method: [GET, PUT] }
          target: { cluster: catalogue }
          cors: { origins: https://a.example, methods: [GET, PUT], headers: [x-own] }
        - name: catch
          match: { path: "/{rest...}", method: POST }
          target: { cluster: catalogue }
          cors: { origins: https://b.example }
        - name: call
          match: { grpc: shop.Cart/* }
          target: { cluster: shared }
          cors: { origins: https://a.example }
        - name: partners
          match: { path: "/items/{id}", method: GET, listener: partner }
          target: { cluster: catalogue }
        """
        .replacing("method: [GET, PUT] }", with: "method: [GET, PUT], listener: public }")
    ).table

    @Test(arguments: [
        ("/items/1", "PUT", "https://a.example", "", "items allowed"), ("/items/1", "GET", "https://a.example", "X-Own", "items allowed"),
        ("/items/1", "PUT", "https://b.example", "", "items origin"), ("/items/1", "HEAD", "https://a.example", "", "items method"),
        ("/items/1", "PUT", "https://a.example", "x-own, x-two", "items header"), ("/items/1", "DELETE", "https://a.example", "", "-"),
        ("/items/1", "POST", "https://b.example", "", "catch allowed"), ("/shop.Cart/Get", "POST", "https://a.example", "x-grpc-web,content-type", "call allowed"),
        ("/shop.Cart/Get", "POST", "https://b.example", "", "call origin"), ("/shop.Cart/Get", "GET", "https://a.example", "", "-"),
        ("/other.Cart/Get", "POST", "https://b.example", "", "catch allowed"),
    ])
    func preflights(_ path: String, _ method: String, _ origin: String, _ headers: String, _ expected: String) throws {
        let table = try #require(Self.table)
        var fields = [("Origin", origin), ("Access-Control-Request-Method", method)]
        if !headers.isEmpty { fields.append(("Access-Control-Request-Headers", headers)) }
        let request = Request("OPTIONS", path, fields)
        let found = table.preflight(request.head, in: request.text.span, listener: 0)
        #expect(found.map { "\(table.routes[Int($0.route)].name) \($0.verdict)" } ?? "-" == expected)
        let other = Request("GET", path, fields)
        let asked = table.preflight(other.head, in: other.text.span, listener: 0)
        #expect(asked == nil, "only OPTIONS asks")
    }

    @Test func callsSayWhatPagesNeed() throws {
        let policy = try #require(Self.table?.cors.last)
        #expect(String(decoding: policy.exposeHeaders, as: UTF8.self) == "grpc-status, grpc-message, grpc-status-details-bin")
        #expect(String(decoding: policy.allowHeaders, as: UTF8.self).hasPrefix("content-type, grpc-timeout, x-grpc-web, x-user-agent"))
        #expect(policy.allowMethods == Array("POST".utf8))
    }
}

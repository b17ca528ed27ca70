import Exchanges
import Testing

@testable import Routes

struct MatchTests {
    /// A table of `name: match` lines, each to the cluster `shared`.
    func table(_ lines: String) throws -> RouteTable {
        let routes = lines.split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return "  - { name: \(parts[0]), match: \(parts[1]), target: { cluster: shared } }\n"
        }
        let (table, problems) = compile("routes:\n" + routes.joined())
        #expect(problems == [])
        return try #require(table)
    }

    @Test func literalBeforeParameterBeforeRest() throws {
        let t = try table(
            """
            all { path: "/{all...}" }
            rest { path: "/api/{rest...}" }
            one { path: "/api/{id}" }
            add { path: /api/add }
            """)
        #expect(t.decide(Request("GET", "/api/add")) == "add")
        #expect(t.decide(Request("GET", "/api/adder")) == "one adder")
        #expect(t.decide(Request("GET", "/api/ADD")) == "one ADD")
        #expect(t.decide(Request("GET", "/api/add/")) == "rest add/")
        #expect(t.decide(Request("GET", "/api/a/b/c")) == "rest a/b/c")
        #expect(t.decide(Request("GET", "/api/")) == "rest ")
        #expect(t.decide(Request("GET", "/api")) == "all api")
        #expect(t.decide(Request("GET", "/")) == "all ")
    }

    @Test func aDeadEndIsLeftAgain() throws {
        let t = try table(
            """
            deep { path: /a/b/c }
            wide { path: "/a/{x}/d" }
            rest { path: "/{x}/b/{rest...}" }
            """)
        #expect(t.decide(Request("GET", "/a/b/c")) == "deep")
        #expect(t.decide(Request("GET", "/a/b/d")) == "wide b")
        #expect(t.decide(Request("GET", "/a/b/e")) == "rest a e")
        #expect(t.decide(Request("GET", "/a/c/e")) == "404")
    }

    @Test func aSlashAtTheEndIsAnotherPath() throws {
        let t = try table("plain { path: /a }\nslash { path: /a/ }\nroot { path: / }")
        #expect(t.decide(Request("GET", "/a")) == "plain")
        #expect(t.decide(Request("GET", "/a/")) == "slash")
        #expect(t.decide(Request("GET", "/")) == "root")
        #expect(t.decide(Request("GET", "/a/b")) == "404")
        let one = try table("one { path: \"/a/{id}\" }")
        #expect(one.decide(Request("GET", "/a/")) == "404")
        #expect(one.decide(Request("GET", "/a")) == "404")
    }

    @Test func encodedSlashesStayInTheirSegment() throws {
        let t = try table("one { path: \"/a/{id}\" }\nlit { path: /b%2Fc/d }")
        #expect(t.decide(Request("GET", "/a/x%2Fy")) == "one x%2Fy")
        #expect(t.decide(Request("GET", "/b%2Fc/d")) == "lit")
        #expect(t.decide(Request("GET", "/b/c/d")) == "404")
    }

    @Test func methods() throws {
        let t = try table(
            """
            read { method: GET, path: /a }
            write { method: [POST, PUT], path: /a }
            head { method: HEAD, path: /h }
            headget { method: GET, path: /h }
            any { path: /any }
            purge { method: PURGE, path: /p }
            named { method: DELETE, path: /any }
            """)
        #expect(t.decide(Request("GET", "/a")) == "read")
        #expect(t.decide(Request("HEAD", "/a")) == "read")
        #expect(t.decide(Request("PUT", "/a")) == "write")
        #expect(t.decide(Request("DELETE", "/a")) == "405 GET, HEAD, POST, PUT")
        #expect(t.decide(Request("PURGE", "/a")) == "405 GET, HEAD, POST, PUT")
        #expect(t.decide(Request("BREW", "/a")) == "405 GET, HEAD, POST, PUT")
        #expect(t.decide(Request("HEAD", "/h")) == "head")
        #expect(t.decide(Request("GET", "/h")) == "headget")
        #expect(t.decide(Request("PURGE", "/p")) == "purge")
        #expect(t.decide(Request("purge", "/p")) == "405 PURGE")
        #expect(t.decide(Request("GET", "/p")) == "405 PURGE")
        #expect(t.decide(Request("BREW", "/any")) == "any")
        #expect(t.decide(Request("DELETE", "/any")) == "named")
        #expect(t.decide(Request("GET", "/nowhere")) == "404")
    }

    @Test func anotherMethodElsewhereIsFound() throws {
        let t = try table("add { method: POST, path: /cart/add }\nget { method: GET, path: \"/cart/{id}\" }")
        #expect(t.decide(Request("GET", "/cart/add")) == "get add")
        #expect(t.decide(Request("POST", "/cart/add")) == "add")
        #expect(t.decide(Request("POST", "/cart/x")) == "405 GET, HEAD")
        #expect(t.decide(Request("PUT", "/cart/add")) == "405 GET, HEAD, POST")
    }

    @Test func theAsteriskIsNoPath() throws {
        let t = try table("star { method: OPTIONS, path: \"*\" }\nall { path: \"/{all...}\" }")
        #expect(t.decide(Request("OPTIONS", "*")) == "star")
        #expect(t.decide(Request("OPTIONS", "/*")) == "all *")
        #expect(t.decide(Request("GET", "*")) == "405 OPTIONS")
        #expect(t.decide(Request("OPTIONS", "**")) == "404")
        #expect(t.decide(Request("CONNECT", "")) == "404")
    }

    @Test func hosts() throws {
        let t = try table(
            """
            exact { host: a.b.example.com, path: /x }
            long { host: "*.b.example.com", path: "/{p}" }
            short { host: "*.example.com", path: "/{p...}" }
            any { path: /y }
            v4 { host: 10.0.0.1, path: /v }
            v6 { host: "[::1]", path: /v }
            """)
        for host in ["a.b.example.com", "A.B.Example.COM", "a.b.example.com:8080", "a.b.example.com."] {
            #expect(t.decide(Request("GET", "/x", host: host)) == "exact")
            #expect(t.decide(Request("GET", "/y", host: host)) == "long y")
            #expect(t.decide(Request("GET", "/y/z", host: host)) == "short y/z")
        }
        #expect(t.decide(Request("GET", "/x", host: "c.b.example.com")) == "long x")
        #expect(t.decide(Request("GET", "/x", host: "d.c.b.example.com")) == "long x")
        #expect(t.decide(Request("GET", "/x", host: "b.example.com")) == "short x")
        #expect(t.decide(Request("GET", "/x", host: "xb.example.com")) == "short x")
        #expect(t.decide(Request("GET", "/x", host: "example.com")) == "404")
        #expect(t.decide(Request("GET", "/x", host: ".example.com")) == "404")
        #expect(t.decide(Request("GET", "/y", host: "example.com")) == "any")
        #expect(t.decide(Request("GET", "/v", host: "10.0.0.1:80")) == "v4")
        #expect(t.decide(Request("GET", "/v", host: "[::1]:80")) == "v6")
        #expect(t.decide(Request("GET", "/v", host: "[::1]")) == "v6")
        for odd in ["", ":", ".", "[", "[::1", "]", "..", "a.b.example.com..", "@a.b.example.com"] {
            #expect(t.decide(Request("GET", "/y", host: odd)).isEmpty == false)
            #expect(t.decide(Request("GET", "/x", host: odd)) != "exact")
        }
    }

    @Test func moreConditionsComeFirst() throws {
        let t = try table(
            """
            none { path: /x }
            one { path: /x, headers: { x-tenant: blue } }
            two { path: /x, headers: { X-Tenant: blue, accept: { present: true } } }
            bare { path: /x, headers: { x-mode: { absent: true }, cookie: { absent: true }, x-tenant: { absent: true } } }
            """)
        #expect(t.decide(Request("GET", "/x", [("X-TENANT", "blue"), ("x-mode", "")])) == "one")
        #expect(t.decide(Request("GET", "/x", [("x-tenant", "red"), ("x-mode", "")])) == "none")
        #expect(t.decide(Request("GET", "/x", [("x-tenant", "Blue")])) == "none")
        #expect(t.decide(Request("GET", "/x", [("x-tenant", "red"), ("x-tenant", "blue")])) == "one")
        #expect(t.decide(Request("GET", "/x", [("x-tenant", "blue"), ("Accept", "")])) == "two")
        #expect(t.decide(Request("GET", "/x")) == "bare")
        #expect(t.decide(Request("GET", "/x", [("cookie", "a=b")])) == "none")
    }

    @Test func aValueComesBeforePresence() throws {
        let t = try table("some { path: /x, headers: { x: { present: true } } }\nblue { path: /x, headers: { x: blue } }")
        #expect(t.decide(Request("GET", "/x", [("x", "blue")])) == "blue")
        #expect(t.decide(Request("GET", "/x", [("x", "red")])) == "some")
    }

    @Test func listeners() throws {
        let t = try table(
            """
            both { path: /x }
            partner { listener: partner, path: /p }
            admin { listener: [admin, public], path: /a }
            """)
        #expect((0..<4).map { t.decide(Request("GET", "/x"), listener: $0) } == ["both", "both", "404", "404"])
        #expect((0..<4).map { t.decide(Request("GET", "/p"), listener: $0) } == ["404", "partner", "404", "404"])
        #expect((0..<4).map { t.decide(Request("GET", "/a"), listener: $0) } == ["admin", "404", "admin", "404"])
        #expect(t.decide(Request("GET", "/x"), listener: 64) == "404")
        #expect(t.decide(Request("GET", "/x"), listener: .max) == "404")
    }

    @Test func grpc() throws {
        let t = try table(
            """
            add { grpc: hipstershop.CartService/AddItem }
            service { grpc: "hipstershop.CartService/*" }
            plain { path: "/hipstershop.CartService/AddItem" }
            """)
        #expect(t.decide(Request("POST", "/hipstershop.CartService/AddItem", grpc: true)) == "add")
        #expect(t.decide(Request("POST", "/hipstershop.CartService/GetCart", grpc: true)) == "service GetCart")
        #expect(t.decide(Request("POST", "/hipstershop.CartService/AddItem")) == "plain")
        #expect(t.decide(Request("POST", "/hipstershop.CartService/GetCart")) == "404")
        #expect(t.decide(Request("GET", "/hipstershop.CartService/GetCart", grpc: true)) == "405 POST")
    }

    @Test func manySiblings() throws {
        let t = try table((0..<500).map { "r\($0) { path: /items/\($0) }" }.joined(separator: "\n"))
        for i in 0..<500 { #expect(t.decide(Request("GET", "/items/\(i)")) == "r\(i)") }
        #expect(t.decide(Request("GET", "/items/500")) == "404")
    }

    @Test func eightCaptures() throws {
        let t = try table("eight { path: \"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}\" }")
        #expect(t.decide(Request("GET", "/1/2/3/4/5/6/7/8/9")) == "eight 1 2 3 4 5 6 7 8/9")
    }

    /// All paths through 2^n branches, none of which ends well: every node once, not every path.
    @Test func backTrackingIsBounded() throws {
        var lines: [String] = []
        for mask in 0..<256 {
            let path = (0..<8).map { mask >> $0 & 1 == 0 ? "a" : "{p\($0)}" }.joined(separator: "/")
            lines.append("r\(mask) { path: \"/\(path)/end\" }")
        }
        let t = try table(lines.joined(separator: "\n"))
        #expect(t.decide(Request("GET", "/a/a/a/a/a/a/a/a/nowhere")) == "404")
        #expect(t.decide(Request("GET", "/a/a/a/a/a/a/a/a/end")) == "r0")
        #expect(t.decide(Request("GET", "/b/b/b/b/b/b/b/b/end")) == "r255 b b b b b b b b")
        let long = "/" + Array(repeating: "a", count: 20_000).joined(separator: "/")
        #expect(t.decide(Request("GET", long)) == "404")
    }

    @Test func theBitsAreThoseOfTheFile() throws {
        let (compiled, problems) = compile(
            """
            routes:
              - name: full
                match: { method: POST, path: /a }
                target: { command: cart.remove }
                fallback: { cluster: legacy }
                flag: use-it
                stages: { shield: { requests: 1000, per: 1s, burst: 200 } }
                body_limit: 2MiB
                timeouts: { connect: 1ms, tls: 2ms, body: 3ms, body_rate: 1KiB, first_byte: 4ms, stream_idle: 5ms, stream_max: 6ms, keep_alive: 7ms, queue: 8ms }
                retries: 5
                host: legacy.example:81
                headers: { request: { set: { x-a: b }, remove: X-C }, response: { add: { x-d: e } } }
              - { name: bare, match: { path: /b }, target: { cluster: catalogue }, upgrade: true, body_limit: unlimited, host: upstream }
            """)
        #expect(problems == [])
        let t = try #require(compiled)
        let rule = t.rules[0]
        #expect(rule.target == .command(1) && rule.fallback == .upstream(1) && t.flags[Int(rule.flag)].name == "use-it")
        #expect(rule.stages == [StageSet(.shield), StageSet(.collect)] && rule.bodyLimit == 2 << 20 && rule.retry == RetryPolicy(retries: 5))
        let limit = t.limits[Int(rule.shield)]
        #expect(limit.emissionInterval == 1_000_000 && limit.burst == 200 && limit.tolerance == 199_000_000)
        let times = rule.timeouts
        #expect([times.connect, times.tls, times.body, times.firstByte] == [1, 2, 3, 4])
        #expect(times.bodyRate == 1024)
        #expect([times.streamIdle, times.streamMax, times.keepAlive, times.queue] == [5, 6, 7, 8])
        guard case .literal(let host) = rule.host else {
            Issue.record("no literal host")
            return
        }
        func text(_ slice: Slice) -> String { String(decoding: t.text[slice.range], as: UTF8.self) }
        #expect(text(t.literals[Int(host)]) == "legacy.example:81")
        let edits = t.headerEdits[Int(rule.headerEdits)]
        #expect(edits.request.map { "\(t.edits[$0].kind) \(text(t.edits[$0].nameText)) \(text(t.edits[$0].value))" } == ["remove x-c ", "set x-a b"])
        #expect(edits.response.map { "\(t.edits[$0].kind) \(text(t.edits[$0].nameText)) \(text(t.edits[$0].value))" } == ["add x-d e"])
        let bare = t.rules[1]
        #expect(bare.route == 1 && bare.upgrade && bare.bodyLimit == .max && bare.host == .upstream && bare.stages == [])
        #expect(bare.flag == Rule.none && bare.shield == Rule.none && bare.headerEdits == Rule.none && bare.pathRewrite == Rule.none)
    }
}

struct RewriteTests {
    func path(_ match: String, _ rewrite: String, _ path: String) throws -> String? {
        let (table, problems) = compile(
            "routes: [{ name: a, match: { path: \"\(match)\" }, target: { cluster: legacy }, rewrite: { \(rewrite) } }]")
        #expect(problems == [])
        return try #require(table).upstreamPath(Request("GET", path))
    }

    @Test func templates() throws {
        #expect(try path("/api/products/{id}", "path: \"/v2/items/{id}/x\"", "/api/products/42") == "/v2/items/42/x")
        #expect(try path("/{a}/{b}/{rest...}", "path: \"/{b}/{a}/{b}/{rest...}\"", "/1/2/3/4") == "/2/1/2/3/4")
        #expect(try path("/{rest...}", "path: \"/v2/{rest}\"", "/a/b") == "/v2/a/b")
        #expect(try path("/{rest...}", "path: \"/v2/{rest}\"", "/") == "/v2/")
        #expect(try path("/{id}", "path: /", "/a") == "/")
        #expect(try path("/a", "path: /b/", "/a") == "/b/")
    }

    @Test func prefixes() throws {
        #expect(try path("/api/{rest...}", "strip_prefix: /api", "/api/a/b") == "/a/b")
        #expect(try path("/api/{rest...}", "strip_prefix: /api", "/api/") == "/")
        #expect(try path("/api", "strip_prefix: /api", "/api") == "/")
        #expect(try path("/api/v1/{id}", "strip_prefix: /api/v1", "/api/v1/7") == "/7")
    }
}

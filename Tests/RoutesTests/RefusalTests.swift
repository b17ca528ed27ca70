import Exchanges
import Settings
import Testing

@testable import Routes

/// What a route file may not say, and what is said about it.
struct RefusalTests {
    /// The problems of one route with name, match and target, and `rest` beside them.
    func problems(
        match: String = "{ path: /a }", target: String = "{ cluster: catalogue }", _ rest: String = ""
    ) -> [String] {
        compile("routes:\n- name: a\n  match: \(match)\n  target: \(target)\n" + (rest.isEmpty ? "" : "  \(rest)\n")).problems
    }

    @Test func aPlainRouteIsFine() {
        #expect(problems() == [])
    }

    @Test(arguments: [
        ("a", "a path begins with /"), ("", "a path begins with /"), ("/a//b", "the path's normal form has no '//'"),
        ("/a/./b", "the path's normal form has no '.' segment"), ("/..", "the path's normal form has no '..' segment"),
        ("/a?b", "a path has no query or fragment: 'a?b'"), ("/a#b", "a path has no query or fragment: 'a#b'"),
        ("/%4", "'%4' has a % without two hexadecimal digits"), ("/%zz", "'%zz' has a % without two hexadecimal digits"),
        ("/%00", "'%00' has %00, which is refused everywhere"),
        ("/%41", "'%41' encodes a letter, digit or one of -._~; write it plainly"),
        ("/%2e%2e", "'%2e%2e' encodes a letter, digit or one of -._~; write it plainly"),
        ("/a%2fb", "'a%2fb' has %-digits in lower case; the normal form has upper case"),
        ("/a b", "'a b' has a byte that needs %-encoding"), ("/ä", "'ä' has a byte that needs %-encoding"),
        ("/{id}/{id}", "the parameter 'id' stands twice in the path"),
        ("/{r...}/x", "{r...} takes all that is left, so it must be the last segment"),
        ("/a{id}", "a parameter is a whole segment: 'a{id}' mixes it with text"),
        ("/{}", "'{}' is not a parameter: {name} or {name...} with letters, digits and _"),
        ("/{a-b}", "'{a-b}' is not a parameter: {name} or {name...} with letters, digits and _"),
        ("/{a}{b}", "'{a}{b}' is not a parameter: {name} or {name...} with letters, digits and _"),
        ("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "a path has at most 8 parameters"),
        ("/" + Array(repeating: "x", count: 33).joined(separator: "/"), "a path has at most 32 segments"),
        ("/" + String(repeating: "x", count: 2048), "a path has at most 2048 bytes"),
        ("*", "only 'method: OPTIONS' has the target *"),
    ])
    func paths(_ path: String, _ problem: String) {
        let column = path == "*" ? 12 : 18
        #expect(problems(match: "{ path: \"\(path)\" }") == ["r.yaml:3:\(column): error: \(problem)"])
    }

    @Test(arguments: [
        ("{ path: /a, listener: pubic }", "3:32: error: unknown listener 'pubic' (did you mean 'public'?)"),
        ("{ path: /a, listener: [public, public] }", "3:41: error: the listener 'public' is named twice"),
        ("{ path: /a, listener: [] }", "3:22: error: 'listener' names no listener"),
        ("{ path: /a, method: [] }", "3:22: error: 'method' names no method"),
        ("{ path: /a, method: get }", "3:30: error: methods have upper case: 'GET'"),
        ("{ path: /a, method: \"G T\" }", "3:30: error: 'G T' is not a method"),
        ("{ path: /a, method: [GET, GET] }", "3:36: error: the method GET is named twice"),
        ("{ path: /a, method: CONNECT }", "3:30: error: CONNECT has no path; the gateway refuses it before routing"),
        ("{ path: /a, host: \"a.example:80\" }", "3:28: error: 'a.example:80' is not a host: write shop.example or \"*.example.com\", without a port"),
        ("{ path: /a, host: \"a.*.example\" }", "3:28: error: 'a.*.example' is not a host: write shop.example or \"*.example.com\", without a port"),
        ("{ path: /a, host: \"*\" }", "3:28: error: '*' is not a host: write shop.example or \"*.example.com\", without a port"),
        ("{ path: /a, host: \"*.10.0.0.1\" }", "3:28: error: '*.10.0.0.1' is not a host: write shop.example or \"*.example.com\", without a port"),
        ("{ path: /a, host: \"::1\" }", "3:28: error: '::1' is not a host: write shop.example or \"*.example.com\", without a port"),
        ("{ path: /a, host: [a.example, A.Example] }", "3:40: error: the host a.example is named twice"),
        ("{ path: /a, headers: { \"x a\": b } }", "3:33: error: 'x a' is not a header name"),
        ("{ path: /a, headers: { Host: b } }", "3:33: error: use 'host' of the match: not every request has a Host field"),
        ("{ path: /a, headers: { x-a: b, X-A: c } }", "3:41: error: the header 'x-a' is named twice"),
        ("{ path: /a, headers: { x-a: \"b\\n\" } }", "3:38: error: 'x-a' cannot have this value: no field can"),
        ("{ path: /a, headers: { x-a: {} } }", "3:38: error: a condition is a text, { present: true } or { absent: true }"),
        ("{ path: /a, headers: { x-a: { present: true, absent: true } } }", "3:38: error: a condition is a text, { present: true } or { absent: true }"),
        ("{ grpc: a.B/c, path: /a }", "3:25: error: 'grpc' says path and method already"),
        ("{ grpc: a.B }", "3:18: error: 'a.B' is not package.Service/Method or package.Service/*"),
        ("{ grpc: a..B/c }", "3:18: error: 'a..B/c' is not package.Service/Method or package.Service/*"),
        ("{ grpc: a.B/c/d }", "3:18: error: 'a.B/c/d' is not package.Service/Method or package.Service/*"),
        ("{ pth: /a }", "3:12: error: unknown key 'pth' in the match of a route (did you mean 'path'?)"),
    ])
    func matches(_ match: String, _ problem: String) {
        #expect(problems(match: match).contains("r.yaml:" + problem))
    }

    @Test(arguments: [
        ("{ cluster: catalog }", "4:22: error: unknown cluster 'catalog' (did you mean 'catalogue'?)"),
        ("{ command: cart.ad }", "4:22: error: unknown command 'cart.ad' (did you mean 'cart.add'?)"),
        ("{ query: nothing }", "4:20: error: unknown query 'nothing'"),
        ("{ operation: alive }", "4:24: error: unknown operation 'alive' (did you mean 'live'?)"),
        ("{ topic: x }", "4:13: error: unknown key 'topic' in the target of a route (did you mean 'topics'?)"),
        ("{}", "4:11: error: the target of route 'a' must be exactly one of cluster, command, query, operation, fixed, topics"),
        ("{ cluster: legacy, query: cart.get }", "4:11: error: the target of route 'a' must be exactly one of cluster, command, query, operation, fixed, topics"),
        ("{ fixed: {} }", "4:20: error: a fixed answer needs a status"),
        ("{ fixed: { status: 101 } }", "4:30: error: 'status' must be from 200 to 599, not 101"),
        ("{ fixed: { status: 204, body: x } }", "4:35: error: an answer with status 204 has no body"),
        ("{ fixed: { status: 200, content_type: \"a\\r\\nb\" } }", "4:35: error: 'a\r\nb' is not a content type"),
        ("{ fixed: { status: 200, headers: { Content-Length: 5 } } }", "4:46: error: 'content-length' belongs to the connection, not to a route"),
        ("{ fixed: { status: 200, headers: { Content-Type: x } } }", "4:46: error: write 'content_type' instead"),
    ])
    func targets(_ target: String, _ problem: String) {
        #expect(problems(target: target).contains("r.yaml:" + problem))
    }

    @Test func commandsThatPathsName() {
        #expect(problems(match: "{ path: \"/c/{type}\" }", target: "{ command: \"{type}\" }") == [])
        #expect(
            problems(match: "{ path: \"/c/{type}\" }", target: "{ command: \"{name}\" }")
                == ["r.yaml:4:3: error: the path has no parameter {name} that could name a command"])
        #expect(
            problems(match: "{ path: /a }", target: "{ command: \"{}\" }")
                == ["r.yaml:4:3: error: the path has no parameter {} that could name a command"])
    }

    @Test func operationsThatAreAskedWithBodies() {
        let (table, _) = compile("routes:\n- name: a\n  match: { path: /a }\n  target: { operation: sagas }\n")
        #expect(table?.rules[0].bodyLimit == 65_536 && table?.rules[0].stages.contains(StageSet(.collect)) == true)
        #expect(
            problems(target: "{ operation: dead_letters }", "body_limit: 65KiB")
                == ["r.yaml:5:15: error: what an operation is asked with may have at most 64KiB"])
    }

    @Test(arguments: [
        ("flag: x", "5:9: error: the flag 'x' needs a fallback: where do requests go while it is off?"),
        ("fallback: { cluster: legacy }", "5:3: error: a fallback without a flag is never used"),
        ("flag: x\n  fallback: { cluster: catalogue }", "6:3: error: the fallback is the target itself"),
        ("stages: { identify: true }", "5:23: error: 'identify' must be one of required, optional, service-identity, anonymous-session, not 'true'"),
        ("stages: { authorize: x }", "5:24: error: the stage 'authorize' needs 'identify': whose rights would it look at?"),
        ("stages: { quota: {} }", "5:20: error: an entry of 'quota' needs the 'limit' it charges"),
        ("stages: { quota: [querys] }", "5:21: error: there is no budget 'querys' (did you mean 'queries'?)"),
        ("stages: { quota: [queries, queries] }", "5:30: error: the budget 'queries' is named twice; give it a 'cost'"),
        ("stages: { quota: { limit: temporal, cost: 11 } }", "5:22: error: budget 'temporal' has 10 units at once: nobody could ever pay 11"),
        (
            "stages: { quota: [queries, search, temporal, websockets, orders-accepted] }",
            "5:20: error: a route charges at most 4 budgets"
        ),
        ("stages: { replay: x }", "5:21: error: 'replay' must be one of required, optional, not 'x'"),
        ("stages: { steer: { weight: 5, by: { header: x-user } } }", "5:13: error: the stage 'steer' needs a flag: what would it ask?"),
        ("stages: { inspect: { a: required } }", "5:13: error: only messages are inspected by field: of a gRPC route, or one with 'transcode'; JSON has 'schema'"),
        ("stages: { inspect: {} }", "5:22: error: the stage 'inspect' looks at no field"),
        ("stages: { inspect: { schema: command } }", "5:32: error: the route submits no command whose schema that could be: name a file"),
        ("stages: { inspect: { schema: a.json } }\n  body_limit: 17MiB", "6:3: error: a body that is held to a schema may have at most 16MiB"),
        (
            "stages: { inspect: { message: true } }",
            "5:13: error: only a gRPC route has messages as they are sent; JSON is held to its method's message anyway"
        ),
        ("stages: { sheild: {} }", "5:13: error: unknown key 'sheild' in the stages of a route (did you mean 'shield'?)"),
        ("stages: { shield: { per: 1s } }", "5:21: error: the stage 'shield' needs 'requests'"),
        ("stages: { shield: { requests: 0, per: 1s } }", "5:33: error: 'requests' must be from 1 to 1000000000, not 0"),
        ("stages: { shield: { requests: 1, per: 0 } }", "5:41: error: 'per' must be from 1ms to 1d, not 0"),
        ("stages: { shield: { requests: 1000000000, per: 1ms } }", "5:23: error: more than one request a nanosecond is no limit"),
        ("stages: { collect: true }\n  upgrade: true", "6:3: error: a route that collects its body cannot upgrade: a tunnel has no body to wait for"),
        ("stages: { collect: true }\n  body_limit: unlimited", "6:15: error: a collected body may have at most 64MiB"),
        ("retry: { attempts: 0 }", "5:22: error: 'attempts' must be from 1 to 6, not 0"),
        ("retry: { on: [500] }", "5:17: error: 'on' must be one of connect, reset, refused, timeout, 502, 503, 504, not '500' (did you mean '502'?)"),
        ("retry: { backoff: 2s, max_backoff: 1s }", "5:25: error: 'max_backoff' cannot be shorter than 'backoff'"),
        ("retry: { pertry: 1s }", "5:12: error: unknown key 'pertry' in the retries of a route (did you mean 'per_try'?)"),
        ("retries: 1\n  retry: { attempts: 2 }", "5:3: error: a route has either 'retries' or 'retry'"),
        ("retries: 6", "5:12: error: 'retries' must be from 0 to 5, not 6"),
        ("timeouts: { connect: 0 }", "5:24: error: 'connect' must be from 1ms to 1h, not 0"),
        ("timeouts: { total: 5s }", "5:15: error: unknown key 'total' in the timeouts of a route"),
        ("host: \"a b\"", "5:9: error: 'a b' is not a host; 'host' is preserve, upstream or a host[:port]"),
        ("host: \"a:0\"", "5:9: error: 'a:0' is not a host; 'host' is preserve, upstream or a host[:port]"),
        ("rewrite: { path: \"/{id}\" }", "5:20: error: the path /a has no parameter 'id'"),
        ("rewrite: { path: /a/../b }", "5:20: error: the path's normal form has no '..' segment"),
        ("rewrite: { path: /b, strip_prefix: /a }", "5:12: error: a rewrite is exactly one of path, strip_prefix"),
        ("rewrite: { strip_prefix: /b }", "5:28: error: the path /a does not begin with /b"),
        ("rewrite: { strip_prefix: / }", "5:28: error: a prefix is literal and does not end with /: /api"),
        ("headers: { request: { set: { Connection: close } } }", "5:32: error: 'connection' belongs to the connection, not to a route"),
        ("headers: { request: { set: { Host: x } } }", "5:32: error: 'host' belongs to the connection, not to a route; see the route's 'host'"),
        ("headers: { response: { remove: [Transfer-Encoding] } }", "5:35: error: 'transfer-encoding' belongs to the connection, not to a route"),
        ("headers: { request: { add: { \"a:b\": x } } }", "5:32: error: 'a:b' is not a header name"),
        ("headers: { request: { set: { x: \"a\\r\\nevil: 1\" } } }", "5:35: error: the value of 'x' has control characters, white space at an end, or more than 8192 bytes"),
        ("headers: { request: { set: { x: \" a\" } } }", "5:35: error: the value of 'x' has control characters, white space at an end, or more than 8192 bytes"),
        ("headers: { request: { set: { x: a }, remove: X } }", "5:32: error: the header 'x' is already in 'remove'"),
        ("headers: { request: { set: { x: a, X: b } } }", "5:38: error: the header 'x' is already in 'set'"),
        ("hedders: {}", "5:3: error: unknown key 'hedders' in a route (did you mean 'headers'?)"),
    ])
    func settings(_ text: String, _ problem: String) {
        #expect(problems(text) == ["r.yaml:" + problem])
    }

    @Test(arguments: [
        ("{ fixed: { status: 200 } }", "upgrade: true", "5:3: error: only a cluster can take over an upgraded connection, not fixed 200"),
        ("{ cluster: shared }", "upgrade: true", "5:3: error: an upgrade needs HTTP/1.1, and cluster shared speaks HTTP/2"),
        ("{ command: cart.add }", "stages: { collect: false }", "5:13: error: this route needs the whole body, so 'collect' cannot be false"),
        ("{ query: cart.get }", "retries: 1", "5:3: error: 'retries' has no effect: the route never reaches a cluster"),
        ("{ query: cart.get }", "host: upstream", "5:3: error: 'host' has no effect: the route never reaches a cluster"),
        ("{ query: cart.get }", "rewrite: { path: /b }", "5:3: error: 'rewrite' has no effect: the route never reaches a cluster"),
        (
            "{ query: cart.get }", "headers: { request: { set: { a: b } } }",
            "5:3: error: changing request headers has no effect: the route never reaches a cluster"
        ),
    ])
    func combinations(_ target: String, _ text: String, _ problem: String) {
        #expect(problems(target: target, text) == ["r.yaml:" + problem])
    }

    @Test func moreCombinations() {
        #expect(
            problems(match: "{ path: /a, method: POST }", "upgrade: true")
                == ["r.yaml:5:3: error: an upgrade begins with GET, which this route does not match"])
        #expect(
            problems(match: "{ grpc: a.B/c }", target: "{ query: cart.get }")
                == ["r.yaml:3:3: error: there are no contracts to look 'a.B/c' up in: see 'contracts' of the configuration"])
        #expect(
            problems(match: "{ grpc: a.B/c }")
                == ["r.yaml:3:3: error: gRPC needs HTTP/2, and cluster catalogue speaks HTTP/1.1: give it 'protocol: http2'"])
        #expect(
            problems(match: "{ grpc: a.B/c }", target: "{ operation: metrics }")
                == ["r.yaml:3:3: error: operation metrics does not answer gRPC calls"])
        #expect(
            problems(target: "{ operation: grpc_health }")
                == ["r.yaml:3:3: error: operation grpc_health answers gRPC calls: match 'grpc'"])
        #expect(problems(match: "{ grpc: \"grpc.health.v1.Health/*\" }", target: "{ operation: grpc_health }") == [])
        #expect(
            problems(match: "{ path: \"*\", method: OPTIONS }", "rewrite: { path: /x }")
                == ["r.yaml:5:3: error: the target * has no path to rewrite"])
        #expect(
            problems(match: "{ path: \"/{r...}\" }", "rewrite: { path: \"/{r}/x\" }")
                == ["r.yaml:5:20: error: {r...} may be empty, so it can only stand at the end of a rewrite"])
    }

    /// Two routes at once: the second is refused, and both places are named.
    @Test(arguments: [
        ("{ path: /x }", "{ path: /x }"), ("{ path: \"/{a}\" }", "{ path: \"/{b}\" }"),
        ("{ path: \"/{a...}\" }", "{ path: \"/{b...}\" }"), ("{ path: /x, method: [GET, POST] }", "{ path: /x, method: [PUT, POST] }"),
        ("{ path: /x, host: [a.b, c.d] }", "{ path: /x, host: C.D. }"), ("{ path: /x }", "{ path: /x, listener: partner }"),
        ("{ path: /x, headers: { a: b, c: d } }", "{ path: /x, headers: { C: d, A: b } }"), ("{ grpc: a.B/c }", "{ grpc: a.B/c }"),
        ("{ grpc: \"a.B/*\" }", "{ grpc: \"a.B/*\" }"),
    ])
    func duplicates(_ first: String, _ second: String) {
        let found = compile(
            "routes:\n- { name: a, match: \(first), target: { cluster: shared } }\n- { name: b, match: \(second), target: { cluster: shared } }"
        ).problems
        #expect(found == ["r.yaml:3:3: error: route 'b' matches the same requests as route 'a' at r.yaml:2:3"])
    }

    @Test(arguments: [
        ("{ path: /x, method: GET }", "{ path: /x, method: POST }"), ("{ path: /x, method: GET }", "{ path: /x }"),
        ("{ path: /x, method: GET }", "{ path: /x, method: HEAD }"), ("{ path: /x, host: a.b }", "{ path: /x }"),
        ("{ path: /x, host: a.b }", "{ path: /x, host: \"*.b\" }"), ("{ path: /x, listener: public }", "{ path: /x, listener: partner }"),
        ("{ path: /x, headers: { a: b } }", "{ path: /x, headers: { a: c } }"), ("{ path: /x }", "{ path: /x/ }"),
        ("{ grpc: a.B/c }", "{ path: /a.B/c }"),
    ])
    func noDuplicates(_ first: String, _ second: String) {
        let found = compile(
            "routes:\n- { name: a, match: \(first), target: { cluster: shared } }\n- { name: b, match: \(second), target: { cluster: shared } }"
        ).problems
        #expect(found == [])
    }

    @Test func namesAreUnique() {
        let found = compile(
            "routes:\n- { name: a, match: { path: /x }, target: { cluster: legacy } }\n- { name: a, match: { path: /y }, target: { cluster: legacy } }"
        ).problems
        #expect(found == ["r.yaml:3:3: error: the route name 'a' is taken at r.yaml:2:3"])
    }

    @Test func incompleteRoutesSayWhatTheyLack() {
        let found = compile("routes:\n- {}\n- 5\n- { name: B }\n").problems
        #expect(
            found == [
                "r.yaml:2:3: error: a route needs a match", "r.yaml:2:3: error: a route needs a name",
                "r.yaml:2:3: error: a route needs a target", "r.yaml:3:3: error: a route must be a map, not '5'",
                "r.yaml:4:3: error: a route needs a match", "r.yaml:4:3: error: a route needs a target",
                "r.yaml:4:11: error: the name of a route must be 1 to 64 of a-z, 0-9 and -, not 'B'",
            ])
    }

    /// Without the admin listener its routes stay in their files and are only pointed out.
    @Test func aRouteForAListenerThatIsOff() throws {
        var configuration = twoListeners
        configuration.admin = nil
        let diagnostics = Diagnostics()
        let document = try #require(
            Document.parse(
                "routes: [{ name: a, match: { path: /a, listener: admin }, target: { operation: metrics } }]",
                file: "r.yaml", diagnostics))
        let table = RouteCompiler.compile([document], configuration, vocabulary: vocabulary, diagnostics)
        #expect(table?.decide(Request("GET", "/a")) == "404")
        #expect(
            diagnostics.sorted.map(\.description) == [
                "r.yaml:1:10: warning: no listener serves route 'a', so nothing reaches it",
                "r.yaml:1:50: warning: the listener 'admin' is off, so it does not serve this route",
            ])
    }

    @Test func tooManyMethods() {
        let routes = (0..<49).map { "- { name: r\($0), match: { path: /a, method: M\($0) }, target: { cluster: legacy } }" }
        let found = compile("routes:\n" + routes.joined(separator: "\n")).problems
        #expect(found == ["r.yaml:50:3: error: more than 48 methods beside the known ones"])
    }
}

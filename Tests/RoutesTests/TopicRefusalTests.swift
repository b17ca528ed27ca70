import Settings
import Testing

@testable import Routes

/// What a route of MQTT may not say, and what is said about it.
struct TopicRefusalTests {
    func problems(_ match: String, _ target: String, _ rest: String = "") -> [String] {
        compileTopics("routes:\n- name: a\n  match: \(match)\n  target: \(target)\n" + (rest.isEmpty ? "" : "  \(rest)\n")).problems
    }

    @Test(arguments: [
        ("{ connect: \"{client}\" }", "{ topics: session }", ""), ("{ publish: a }", "{ topics: relay }", ""),
        ("{ publish: a }", "{ command: cart.add }", "stages: { replay: optional, identify: required, quota: [] }"),
        ("{ publish: a }", "{ cluster: legacy }", "rewrite: { path: /b }"), ("{ publish: a, headers: { x: y } }", "{ topics: relay }", ""),
        ("{ publish: a }", "{ command: cart.add }", "stages: { inspect: { schema: f.json } }"),
        ("{ publish: a }", "{ topics: relay }", "stages: { inspect: { schema: f.json } }"),
        ("{ publish: a }", "{ cluster: legacy }", "flag: f\n  fallback: { command: cart.add }"),
        ("{ subscribe: \"a/{r...}\", listener: devices }", "{ topics: subscribe }", "stages: { shield: { requests: 1, per: 1s } }"),
        ("{ subscribe: \"a/{userId}\" }", "{ query: cart.get }", "stages: { identify: required }"),
    ])
    func whatIsFine(_ match: String, _ target: String, _ rest: String) {
        #expect(problems(match, target, rest) == [])
    }

    @Test(arguments: [
        ("a/+/b", "'+': a route has {name} for one level and {name...} for the rest, not + and #"), ("#", "'#': a route has"),
        ("a+b", "'a+b': a route has"), ("{r...}/x", "{r...} takes all that is left, so it must be the last level"),
        ("{a}/{a}", "the parameter 'a' stands twice in the topic"), ("a{b}", "a parameter is a whole segment: 'a{b}' mixes it with text"),
        ("", "a topic has at least one byte"), (Array(repeating: "x", count: 33).joined(separator: "/"), "a topic of a route has at most 32 levels"),
        ("$SYS/x", "topics that begin with $ are the broker's own: no client publishes there"), ("a\\tb", "a topic has no control characters"),
    ])
    func templates(_ topic: String, _ problem: String) {
        let found = problems("{ publish: \"\(topic)\" }", "{ topics: relay }")
        #expect(found.count == 1 && found.first?.hasPrefix("r.yaml:3:21: error: \(problem)") == true, "\(found)")
    }

    @Test(arguments: [
        ("{ publish: a, subscribe: a }", "{ topics: relay }", "", "3:24: error: a route is about one of connect, publish and subscribe: write another route"),
        ("{ publish: a, path: /a }", "{ topics: relay }", "", "3:24: error: 'path' is of HTTP, and 'publish' of MQTT: a route is of one of them"),
        ("{ publish: a, method: GET }", "{ topics: relay }", "", "3:24: error: 'method' is of HTTP"),
        ("{ publish: a, host: a.example }", "{ topics: relay }", "", "3:24: error: 'host' is of HTTP"),
        ("{ publish: a, query: { a: b } }", "{ topics: relay }", "", "3:24: error: 'query' is of HTTP"),
        ("{ subscribe: a, headers: { a: b } }", "{ topics: subscribe }", "", "3:26: error: only what is published has 'headers': its user properties"),
        ("{ publish: }", "{ topics: relay }", "", "3:12: error: 'publish' says which topics: a/{b}/c"),
        ("{ connect: }", "{ topics: session }", "", "3:12: error: 'connect' says which client identifiers: \"{client}\""),
        ("{ subscribe: $share/g/a }", "{ topics: subscribe }", "", "3:23: error: a shared subscription is matched by the filter behind its group: write that"),
        ("{ publish: a, listener: public }", "{ topics: relay }", "", "3:34: error: the listener 'public' speaks HTTP, and this route is of MQTT: name one with 'mqtt'"),
        ("{ path: /a, listener: devices }", "{ cluster: legacy }", "", "3:32: error: the listener 'devices' speaks MQTT: match 'connect', 'publish' or 'subscribe', or name another"),
        ("{ path: /a }", "{ topics: relay }", "", "4:21: error: 'topics: relay' is for MQTT: match 'publish'"),
        ("{ publish: a }", "{ topics: session }", "", "4:21: error: 'topics: session' is for 'connect', and the route matches 'publish': write 'topics: relay'"),
        ("{ publish: a }", "{ topics: replay }", "", "4:21: error: 'topics' must be one of session, relay, subscribe, not 'replay' (did you mean 'relay'?)"),
        ("{ connect: a }", "{ query: cart.get }", "", "4:3: error: 'connect' is answered by the broker alone: 'topics: session'"),
        ("{ subscribe: a }", "{ command: cart.add }", "", "4:3: error: 'subscribe' is answered by the broker alone: 'topics: subscribe'"),
        ("{ connect: a }", "{ cluster: legacy }", "", "4:3: error: 'connect' is answered by the broker alone: 'topics: session'"),
        ("{ publish: a }", "{ query: cart.get }", "", "4:3: error: query cart.get answers with a body, which nobody who publishes gets: a command, a cluster or 'topics: relay'"),
        ("{ publish: a }", "{ operation: live }", "", "4:3: error: operation live answers with a body"),
        ("{ publish: a }", "{ fixed: { status: 204 } }", "", "4:3: error: fixed 204 answers with a body"),
        ("{ publish: a }", "{ cluster: legacy }", "upgrade: true", "5:3: error: 'upgrade' is not for routes of MQTT"),
        ("{ publish: a }", "{ cluster: legacy }", "cors: { origins: [\"https://a.example\"] }", "5:3: error: 'cors' is not for routes of MQTT"),
        ("{ publish: a }", "{ topics: relay }", "rewrite: { path: /b }", "5:3: error: 'rewrite' has no effect: the route never reaches a cluster"),
        ("{ publish: a }", "{ topics: relay }", "retries: 1", "5:3: error: 'retries' has no effect: the route never reaches a cluster"),
        ("{ publish: a }", "{ cluster: legacy }", "headers: { response: { set: { a: b } } }", "5:3: error: an acknowledgement has no headers to change"),
        ("{ publish: a }", "{ topics: relay }", "stages: { replay: optional }", "5:21: error: 'replay' has no effect: topics may be asked as often as one likes"),
        ("{ publish: a }", "{ topics: relay }", "stages: { collect: false }", "5:13: error: this route needs the whole body, so 'collect' cannot be false"),
        ("{ publish: a }", "{ topics: relay }", "stages: { identify: anonymous-session }", "5:13: error: 'anonymous-session' is not for routes of MQTT"),
        ("{ subscribe: a }", "{ topics: subscribe }", "body_limit: 1", "5:3: error: 'body_limit' has no effect: 'subscribe' has no body and no upstream"),
        ("{ subscribe: a }", "{ topics: subscribe }", "stages: { collect: true }", "5:13: error: 'collect' has no effect: 'subscribe' has no body"),
        ("{ subscribe: a }", "{ topics: subscribe }", "flag: f\n  fallback: { topics: subscribe }", "6:3: error: the fallback is the target itself"),
    ])
    func combinations(_ match: String, _ target: String, _ rest: String, _ problem: String) {
        let found = problems(match, target, rest)
        #expect(found.contains { $0.hasPrefix("r.yaml:" + problem) }, "\(found)")
    }

    @Test func twoRoutesForTheSameTopicAreOneTooMany() {
        let two = "routes:\n- { name: a, match: { publish: \"a/{b}\" }, target: { topics: relay } }\n"
        let found = compileTopics(two + "- { name: b, match: { publish: \"a/{c}\" }, target: { topics: relay } }").problems
        #expect(found == ["r.yaml:3:3: error: route 'b' matches the same requests as route 'a' at r.yaml:2:3"])
        let other = "- { name: b, match: { subscribe: \"a/{c}\" }, target: { topics: subscribe } }\n- { name: c, match: { path: \"/a/{c}\" }, target: { cluster: legacy } }"
        #expect(compileTopics(two + other).problems == [])
    }

    /// Without a listener for MQTT its routes are there and nothing comes: that is not worth a word at every start.
    @Test func withoutAListenerThereIsNoWarning() {
        let text = "routes: [{ name: a, match: { publish: a }, target: { topics: relay } }]"
        #expect(compile(text).problems == [] && compile(text).table?.routes[0].match.listeners == [])
    }
}

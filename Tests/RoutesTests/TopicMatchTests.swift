import Exchanges
import Seeded
import Settings
import Testing

@testable import Routes

/// `twoListeners` and a third for MQTT.
let withDevices: Configuration = {
    var configuration = twoListeners
    var devices = Listener(name: "devices", port: 1883)
    devices.mqtt = ListenerMQTT()
    configuration.listeners.append(devices)
    return configuration
}()

func compileTopics(_ text: String) -> (table: RouteTable?, problems: [String]) {
    let diagnostics = Diagnostics()
    let documents = Document.parse(text, file: "r.yaml", diagnostics).map { [$0] } ?? []
    let table = RouteCompiler.compile(documents, withDevices, vocabulary: vocabulary, diagnostics)
    return (table, diagnostics.sorted.map(\.description))
}

extension Request {
    /// What an MQTT client does, as its exchange would have it.
    init(mqtt action: MQTTAction, _ text: String, _ headers: [(String, String)] = []) {
        self.init("-", TopicPath.path(of: text, isFilter: action == .subscribe), host: "", headers)
        head.method = .none
        head.dialect = .mqtt
        head.verb = action.verb
    }
}

/// Which route what an MQTT client does belongs to.
struct TopicMatchTests {
    static let text = """
        routes:
        - { name: http, match: { path: "/iot/inventory/{sku}/delta" }, target: { cluster: catalogue } }
        - { name: typed, match: { path: /typed, method: [PUBLISH, SUBSCRIBE] }, target: { cluster: catalogue } }
        - { name: devices, match: { connect: "{client}" }, target: { topics: session } }
        - { name: deltas, match: { publish: "iot/inventory/{sku}/delta" }, target: { command: cart.add } }
        - { name: urgent, match: { publish: "iot/inventory/{sku}/delta", headers: { urgent: "yes" } }, target: { command: cart.add } }
        - { name: status, match: { subscribe: "shop/orders/{id}/status" }, target: { topics: subscribe } }
        - { name: own-in, match: { subscribe: "devices/{client}/{rest...}" }, target: { topics: subscribe } }
        - { name: own-out, match: { publish: "devices/{client}/{rest...}" }, target: { topics: relay } }
        - { name: rooted, match: { publish: "/rooted/{x}" }, target: { topics: relay } }
        - { name: odd, match: { publish: "odd/a b/ä+" }, target: { topics: relay } }
        - { name: system, match: { subscribe: "$SYS/{rest...}" }, target: { topics: subscribe } }
        - { name: everything, match: { subscribe: "{all...}" }, target: { topics: subscribe } }
        """.replacing("ä+", with: "ä")

    @Test(arguments: [
        (MQTTAction.connect, "scale-7", "devices scale-7"), (.connect, "", "devices "), (.connect, "a+b#", "devices a%2Bb%23"),
        (.connect, "#", "devices %23"), (.connect, "$a", "devices $a"), (.connect, "a/b", "404"), (.connect, "shop/orders/1/status", "404"),
        (.publish, "iot/inventory/A-1/delta", "deltas A-1"), (.publish, "iot/inventory//delta", "deltas "),
        (.publish, "iot/inventory/a b%/delta", "deltas a%20b%25"), (.publish, "iot/inventory/../delta", "deltas %2E%2E"),
        (.publish, "iot/inventory/A-1", "405 "), (.publish, "iot/inventory/A-1/delta/x", "405 "), (.publish, "/iot/inventory/A-1/delta", "405 "),
        (.publish, "devices/d/a/b", "own-out d a/b"), (.publish, "devices/d/", "own-out d "), (.publish, "devices/d", "own-out d "),
        (.publish, "devices", "405 "), (.publish, "/rooted/1", "rooted 1"), (.publish, "rooted/1", "405 "), (.publish, "odd/a b/ä", "odd"),
        (.publish, "shop/orders/1/status", "405 "), (.publish, "$SYS/x", "405 "), (.publish, "typed", "405 "),
        (.subscribe, "shop/orders/1/status", "status 1"), (.subscribe, "shop/orders/+/status", "status +"),
        (.subscribe, "shop/orders/#", "everything shop/orders/#"), (.subscribe, "shop/orders/1/#", "everything shop/orders/1/#"),
        (.subscribe, "shop/orders/+/+", "everything shop/orders/+/+"), (.subscribe, "devices/d/#", "own-in d #"),
        (.subscribe, "devices/d", "own-in d "), (.subscribe, "devices/+/#", "own-in + #"), (.subscribe, "devices/#", "everything devices/#"),
        (.subscribe, "#", "everything #"), (.subscribe, "+", "everything +"), (.subscribe, "$SYS/#", "system #"), (.subscribe, "$SYS", "system "),
        (.subscribe, "$other/x", "404"), (.subscribe, "iot/inventory/A-1/delta", "everything iot/inventory/A-1/delta"),
    ])
    func decisions(_ action: MQTTAction, _ text: String, _ decision: String) throws {
        let (table, problems) = compileTopics(Self.text)
        #expect(problems == [])
        let decided = try #require(table).decide(Request(mqtt: action, text), listener: 2)
        #expect(decided == decision)
    }

    @Test func userPropertiesChoose() throws {
        let table = try #require(compileTopics(Self.text).table)
        #expect(table.decide(Request(mqtt: .publish, "iot/inventory/A-1/delta", [("urgent", "yes")]), listener: 2) == "urgent A-1")
    }

    @Test func neitherProtocolSeesTheOthersRoutes() throws {
        let table = try #require(compileTopics(Self.text).table)
        #expect(table.decide(Request("POST", "/iot/inventory/A-1/delta")) == "http A-1")
        #expect(table.decide(Request("PUBLISH", "/typed")) == "typed")
        for method in ["PUBLISH", "SUBSCRIBE", "CONNECT", "publish"] {
            #expect(table.decide(Request(method, "/devices/d/a")) == "404" && table.decide(Request(method, "/devices/d/a"), listener: 2) == "404")
        }
        // What is of one protocol cannot come in by the other's listener; if it did, nothing would be there for it.
        #expect(table.decide(Request("POST", "/iot/inventory/A-1/delta"), listener: 2) == "404")
        #expect(table.decide(Request(mqtt: .publish, "iot/inventory/A-1/delta"), listener: 0) == "404")
    }

    @Test func listenersGoByTheirProtocol() throws {
        let table = try #require(compileTopics(Self.text).table)
        #expect(table.routes.map(\.match.listeners)[0] == ["public", "partner"])
        #expect(table.routes.map(\.match.listeners)[3] == ["devices"])
    }

    @Test func explanationsAgree() throws {
        let table = try #require(compileTopics(Self.text).table)
        let asked = Request(mqtt: .publish, "shop/orders/1/status")
        let text = table.explain(asked.head, in: asked.text.span, listener: 2).render(table)
        #expect(text.hasPrefix("no route   METHOD_NOT_ALLOWED, only for subscribe\n"), "\(text)")
        #expect(text.contains("other listener, other path, other protocol"), "\(text)")
    }

    @Test(arguments: [("a/b", "/a/b", true), ("/a", "//a", true), ("a//", "/a//", true), ("", "/", true), ("+/#", "/%2B/%23", true),
        ("a+/#b", "/a%2B/%23b", true), ("./..", "/%2E/%2E%2E", false), ("...", "/...", true), ("ä/%41", "/%C3%A4/%2541", true), ("a\u{1}b?", "/a%01b%3F", true)])
    func topicsBecomePaths(_ topic: String, _ path: String, _ isPlain: Bool) {
        let buffer = Buffer(capacity: 8)
        #expect(TopicPath.append(Array(topic.utf8).span, isFilter: false, into: buffer) == isPlain)
        #expect(buffer.withReadable { $0.text } == path)
    }

    @Test func onlyWholeLevelsAreWildcards() {
        #expect(TopicPath.path(of: "a/+/b+/+#/#", isFilter: true) == "/a/+/b%2B/%2B%23/#")
    }
}

/// A filter is never granted more than its route covers, and the tree decides as the definition says.
struct FilterCoverageTests {
    static let words = ["a", "b", "", "$a"]

    @Test(arguments: 1...30)
    func everyTopicOfAGrantedFilterIsCovered(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        for _ in 0..<40 {
            let template = randomTemplate(&random)
            let text = "routes:\n- { name: s, match: { subscribe: \"\(template)\" }, target: { topics: subscribe } }\n"
                + "- { name: p, match: { publish: \"\(template.hasPrefix("$") ? "x" : template)\" }, target: { topics: relay } }"
            let (compiled, problems) = compileTopics(text)
            #expect(problems == [])
            let table = try #require(compiled)
            var granted = 0
            for _ in 0..<60 {
                let filter = randomFilter(&random)
                let asked = Request(mqtt: .subscribe, filter)
                let isGranted = table.decide(asked, listener: 2).hasPrefix("s")
                #expect(
                    isGranted == table.routes[0].match.reasons(against: asked.head, in: asked.text.span, listener: 2).isEmpty,
                    "\(template) \(filter)")
                guard isGranted else { continue }
                granted += 1
                for _ in 0..<20 {
                    let topic = (0..<Int.random(in: 1...5, using: &random)).map { _ in random.pick(Self.words) }
                    guard matches(filter, topic) else { continue }
                    #expect(covers(template, topic), "\(template) grants \(filter), which matches \(topic)")
                }
            }
            if template == "{r...}" { #expect(granted > 0) }
        }
    }

    func randomTemplate(_ random: inout Seeded) -> String {
        let depth = Int.random(in: 1...4, using: &random)
        let parts = (0..<depth).map { i in
            switch Int.random(in: 0..<6, using: &random) {
            case 0...2: random.pick(Self.words)
            case 3...4: "{p\(i)}"
            default: i == depth - 1 ? "{r...}" : "b"
            }
        }
        let text = parts.joined(separator: "/")
        return text.isEmpty ? "a" : text
    }

    func randomFilter(_ random: inout Seeded) -> String {
        let depth = Int.random(in: 1...4, using: &random)
        var parts = (0..<depth).map { _ in random.chance(3) ? "+" : random.pick(Self.words) }
        if random.chance(3) { parts[depth - 1] = "#" }
        let text = parts.joined(separator: "/")
        return text.isEmpty ? "+" : text
    }

    /// MQTT 5, section 4.7, in the plainest words.
    func matches(_ filter: String, _ topic: [String]) -> Bool {
        let levels = filter.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if topic[0].hasPrefix("$"), levels[0] == "+" || levels[0] == "#" { return false }
        for (i, level) in levels.enumerated() {
            if level == "#" { return true }
            guard i < topic.count, level == "+" || level == topic[i] else { return false }
        }
        return levels.count == topic.count
    }

    func covers(_ template: String, _ topic: [String]) -> Bool {
        let parts = template.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for (i, part) in parts.enumerated() {
            if part.hasSuffix("...}") { return true }
            guard i < topic.count, part.hasPrefix("{") || part == topic[i] else { return false }
        }
        return parts.count == topic.count
    }
}

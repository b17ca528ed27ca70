import Exchanges
import Testing
import WireMQTT

/// Topic names and filters (sections 4.7, 4.8.2).
@Suite struct TopicTests {
    @Test(arguments: ["a", "/", "//", "/a", "a/", "a//b", "$SYS/a", " ", "ü", String(repeating: "x", count: 65_535)])
    func names(name: String) { #expect(Array(name.utf8).isTopicName(levels: 3)) }

    @Test(arguments: ["", "+", "#", "a/+", "a/b#", "a/b/c/d", "///", String(repeating: "x", count: 65_536)])
    func notNames(name: String) { #expect(!Array(name.utf8).isTopicName(levels: 3)) }

    /// MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1, MQTT-4.8.2-1, MQTT-4.8.2-2, and the standard's own examples.
    @Test(arguments: [
        "sport/tennis/player1/#", "sport/#", "#", "sport/tennis/#", "+", "+/tennis/#", "sport/+/player1", "/+", "+/+", "/",
        "$SYS/#", "$SYS/monitor/+", "a//b", "$share/c/sport/tennis/+", "$share/c/#", "$share/c//a", "$share", "$shared/a", "$share/c/+",
    ])
    func filters(filter: String) { #expect(Array(filter.utf8).isFilter()) }

    @Test(arguments: [
        "", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "##", "#/", "a/#/", "+a", "a/+b", "a/b+/c", "++", "+#", "#+",
        "$share/", "$share/a", "$share//a", "$share/a/", "$share/+/a", "$share/#/a", "$share/a+b/c", "$share/a/b#", String(repeating: "x", count: 65_536),
    ])
    func notFilters(filter: String) { #expect(!Array(filter.utf8).isFilter()) }

    @Test func levelsAreBounded() {
        #expect(Array("a/b/c".utf8).isFilter(levels: 3) && !Array("a/b/c/#".utf8).isFilter(levels: 3))
        #expect(Array("$share/g/a/b/c".utf8).isFilter(levels: 3), "the share is no level")
    }

    @Test func parts() throws {
        let filter = try #require(topicFilter("$share/group/a/+/#"))
        #expect(filter.share == Array("group".utf8) && filter.text == Array("a/+/#".utf8))
        #expect(filter.levels.map { String(decoding: $0, as: UTF8.self) } == ["a", "+", "#"])
        let plain = try #require(topicFilter("/a/"))
        #expect(plain.share == nil && plain.levels.map(\.count) == [0, 1, 0])
    }

    /// Section 4.7.1 and 4.7.2 (MQTT-4.7.2-1).
    @Test(arguments: [
        ("sport/tennis/player1/#", ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"],
         ["sport/tennis", "sport/tennis/player10", "sport/tennis/player2"]),
        ("sport/#", ["sport", "sport/", "sport/a"], ["sports", "spor", "/sport"]),
        ("#", ["a", "/", "a/b", "/finance"], ["$SYS", "$SYS/a", "$"]),
        ("sport/tennis/+", ["sport/tennis/player1", "sport/tennis/"], ["sport/tennis", "sport/tennis/player1/ranking"]),
        ("sport/+", ["sport/"], ["sport"]),
        ("+/+", ["/finance", "a/b", "/"], ["$SYS/a", "a", "a/b/c"]), ("/+", ["/finance", "/"], ["finance", "/a/b"]),
        ("+", ["finance"], ["/finance", "$a", "a/"]),
        ("+/monitor/Clients", ["a/monitor/Clients"], ["$SYS/monitor/Clients"]),
        ("$SYS/#", ["$SYS", "$SYS/a/b"], ["SYS", "$SYSa"]), ("$SYS/monitor/+", ["$SYS/monitor/Clients"], ["$SYS/monitor"]),
        ("+/#", ["a", "a/b", "/", "a/b/c"], ["$a"]), ("a/+/c/#", ["a/b/c", "a//c", "a/b/c/d/e"], ["a/b", "a/b/d"]),
        ("a", ["a"], ["A", "a/", "ab", "b", "$a"]), ("a//b", ["a//b"], ["a/b", "a/x/b"]), ("/", ["/"], ["a", "//", "a/"]),
        ("a/b/", ["a/b/"], ["a/b", "a/b/c"]), ("Accounts", ["Accounts"], ["ACCOUNTS"]),
    ] as [(String, [String], [String])])
    func matching(text: String, taken: [String], left: [String]) throws {
        let filter = try #require(topicFilter(text))
        let shared = try #require(topicFilter("$share/g/\(text)"))
        for topic in taken { #expect(filter.takes(topic) && shared.takes(topic), "\(topic)") }
        for topic in left { #expect(!filter.takes(topic) && !shared.takes(topic), "\(topic)") }
    }
}

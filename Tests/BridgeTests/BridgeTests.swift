import Bridge
import Foundation
import Synchronization
import Testing

/// Against a real mosquitto.
@Suite(.timeLimit(.minutes(10))) struct BridgeTests {
    @Test(arguments: [BridgeOptions.Version.v5, .v311])
    func whatTheFiltersTakeComesIn(_ version: BridgeOptions.Version) async throws {
        let (broker, notebook) = (try Mosquitto(), Notebook())
        let bridge = try Bridge.open(.to(broker, version), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "one")
        // What is in work together may be taken in any order.
        try await until("the first") { bridge.figures.taken == 1 }
        try broker.publish("-t", "elsewhere", "-q", "1", "-m", "not ours")
        try broker.publish("-t", "iot/b", "-q", "0", "-m", "two")
        try await until("both") { bridge.figures.taken == 2 }
        #expect(notebook.messages.map { String(decoding: $0.topic, as: UTF8.self) } == ["iot/a", "iot/b"])
        #expect(notebook.payloads == ["one", "two"] && notebook.messages.map(\.qos) == [1, 0])
        #expect(bridge.figures.received == 2 && bridge.figures.unsettled == 0)
    }

    @Test func propertiesComeAlong() async throws {
        let (broker, notebook) = (try Mosquitto(), Notebook())
        let bridge = try Bridge.open(.to(broker), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish(
            "-V", "5", "-t", "iot/a", "-q", "1", "-m", "{}", "-D", "publish", "content-type", "application/json",
            "-D", "publish", "user-property", "idempotency-key", "k1", "-D", "publish", "user-property", "b", "2")
        try await until("it") { bridge.figures.taken == 1 }
        let message = try #require(notebook.messages.first)
        #expect(message.contentType == "application/json")
        #expect(message.properties == [.init("idempotency-key", "k1"), .init("b", "2")])
    }

    @Test func aSharedSubscriptionIsOneOfItsGroup() async throws {
        let broker = try Mosquitto()
        var other = BridgeOptions.to(broker, filters: ["$share/gateways/iot/#"])
        other.clientID = "bridge-other"
        let first = try Bridge.open(.to(broker, filters: ["$share/gateways/iot/#"]))
        let second = try Bridge.open(other)
        defer { first.close(); second.close() }
        try await first.ready()
        try await second.ready()
        for i in 0..<10 { try broker.publish("-t", "iot/a", "-q", "1", "-m", "\(i)") }
        try await until("all of them") { first.figures.taken + second.figures.taken >= 10 }
        #expect(first.figures.taken + second.figures.taken == 10)
    }

    /// The promise of the bridge: nothing is acknowledged before it is settled. The bridge dies while its ingest has the
    /// messages; the broker gives them to the next one.
    @Test(arguments: [BridgeOptions.Version.v5, .v311])
    func whatIsNotSettledIsNotAcknowledged(_ version: BridgeOptions.Version) async throws {
        let broker = try Mosquitto()
        let gate = Mutex<[CheckedContinuation<Void, Never>]?>([])
        let stuck = Notebook { _, _ in
            await withCheckedContinuation { waiter in
                let isOpen = gate.withLock { waiting in
                    waiting?.append(waiter)
                    return waiting == nil
                }
                if isOpen { waiter.resume() }
            }
            return .taken
        }
        let bridge = try Bridge.open(.to(broker, version), stuck)
        try await bridge.ready()
        for i in 0..<6 { try broker.publish("-t", "iot/\(i)", "-q", "1", "-m", "\(i)") }
        try await until("it has begun") { bridge.figures.unsettled > 0 }
        #expect(bridge.figures.atRisk == 0)
        bridge.close()
        for waiter in gate.withLock({ $0.take() }) ?? [] { waiter.resume() }
        let notebook = Notebook()
        let next = try Bridge.open(.to(broker, version), notebook)
        defer { next.close() }
        try await until("all again") { next.figures.taken == 6 }
        #expect(notebook.payloads.sorted() == ["0", "1", "2", "3", "4", "5"])
        #expect(notebook.sessionsPresent == [true])
    }

    @Test func whatCannotBeTakenComesAgain() async throws {
        let broker = try Mosquitto()
        let notebook = Notebook { _, attempt in attempt < 3 ? .later : .taken }
        let bridge = try Bridge.open(.to(broker), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "stubborn")
        try await until("it is taken") { bridge.figures.taken == 1 }
        #expect(notebook.payloads == ["stubborn", "stubborn", "stubborn"])
        #expect(bridge.figures.postponed == 2 && bridge.figures.lost == 0)
    }

    @Test func whatIsRefusedDoesNotComeAgain() async throws {
        let broker = try Mosquitto()
        let notebook = Notebook { message, _ in message.payload == Array("bad".utf8) ? .refused : .taken }
        let bridge = try Bridge.open(.to(broker), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "bad")
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "good")
        try await until("the good one") { bridge.figures.taken == 1 }
        #expect(notebook.payloads == ["bad", "good"] && bridge.figures.refused == 1)
    }

    /// Those behind one that has to come again are not taken before it.
    @Test func aTopicKeepsItsOrder() async throws {
        let broker = try Mosquitto()
        let notebook = Notebook { message, attempt in
            message.payload == Array("3".utf8) && attempt == 1 ? .later : .taken
        }
        let options = BridgeOptions.to(broker)
        // They are all there when the bridge comes.
        let first = try Bridge.open(options)
        try await first.ready()
        first.close()
        for i in 0..<10 { try broker.publish("-t", "iot/a", "-q", "1", "-m", "\(i)") }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await until("all") { Set(notebook.payloads).count == 10 && bridge.figures.unsettled == 0 }
        // At least once; and whoever drops repetitions sees them in order.
        var taken: [String] = []
        var refusals = 1
        for payload in notebook.payloads where !taken.contains(payload) {
            if payload == "3" && refusals > 0 { refusals -= 1 } else { taken.append(payload) }
        }
        #expect(taken == (0..<10).map(String.init))
    }

    @Test func whatTheBrokerRetainsIsNoNews() async throws {
        let (broker, notebook) = (try Mosquitto(), Notebook())
        try broker.publish("-t", "iot/old", "-q", "1", "-r", "-m", "old")
        let bridge = try Bridge.open(.to(broker), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/new", "-q", "1", "-r", "-m", "new")
        try await until("the new one") { bridge.figures.taken == 1 }
        #expect(notebook.payloads == ["new"] && bridge.figures.stale == 1)
    }

    @Test func whatIsLargerThanItMayBeIsRefused() async throws {
        let (broker, notebook) = (try Mosquitto(), Notebook())
        var options = BridgeOptions.to(broker, .v311)
        options.largestPayload = 10
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "12345678901")
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "1234567890")
        try await until("the one that fits") { bridge.figures.taken == 1 }
        #expect(notebook.payloads == ["1234567890"] && bridge.figures.refused == 1)
    }

    /// No more than that are read before those are settled, however many there are.
    @Test func whatIsUnsettledIsBounded() async throws {
        let broker = try Mosquitto(["allow_anonymous true", "max_inflight_messages 0"])
        let most = Mutex((now: 0, most: 0))
        let notebook = Notebook { _, _ in
            most.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            try? await Task.sleep(for: .milliseconds(2))
            most.withLock { $0.now -= 1 }
            return .taken
        }
        var options = BridgeOptions.to(broker, .v311)
        options.inFlight = 5
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await bridge.ready()
        let lines = broker.folder.appending(path: "lines")
        for i in 0..<8 {
            try (0..<25).map { "\(i)-\($0)" }.joined(separator: "\n").appending("\n").write(to: lines, atomically: true, encoding: .utf8)
            try broker.publishLines(lines, topic: "iot/\(i)")
        }
        try await until("all") { bridge.figures.taken == 200 }
        #expect(most.withLock { $0.most } <= 5 && Set(notebook.payloads).count == 200)
    }
}

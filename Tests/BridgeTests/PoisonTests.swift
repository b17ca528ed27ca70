import Bridge
import Foundation
import Synchronization
import Testing

/// Messages that cannot be taken, and what they do to those around them. Against a real mosquitto.
@Suite(.timeLimit(.minutes(10))) struct PoisonTests {
    /// They are all there when the bridge comes, each with a topic of its own unless one is given.
    private func queued(_ payloads: [String], topic: String? = nil, on broker: Mosquitto, _ options: BridgeOptions) async throws {
        let first = try Bridge.open(options)
        try await first.ready()
        first.close()
        for payload in payloads {
            try #require(try broker.publish("-t", topic ?? "iot/\(payload)", "-q", "1", "-m", payload))
        }
    }

    @Test(arguments: [BridgeOptions.Version.v5, .v311])
    func whatStandsBesideOneThatCannotBeTakenIsDoneTwiceAtMost(_ version: BridgeOptions.Version) async throws {
        let broker = try Mosquitto()
        let options = BridgeOptions.to(broker, version)
        try await queued((0..<12).map { "\($0)" }, on: broker, options)
        let notebook = Notebook { message, attempt in message.payload == Array("7".utf8) && attempt < 7 ? .later : .taken }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await until("all") { Set(notebook.payloads).count == 12 && notebook.payloads.count { $0 == "7" } == 7 && bridge.figures.unsettled == 0 }
        for other in Set(notebook.payloads) where other != "7" {
            #expect(notebook.payloads.count { $0 == other } <= 2, "\(other) was done again with each attempt at another")
        }
    }

    @Test func attemptsComeLessAndLessOftenThoughTheBrokerLetsTheBridgeIn() async throws {
        let broker = try Mosquitto()
        var options = BridgeOptions.to(broker)
        (options.backoffMS, options.backoffMostMS) = (20, 60_000)
        let notebook = Notebook { _, attempt in attempt < 7 ? .later : .taken }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await bridge.ready()
        let began = ContinuousClock.now
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "stubborn")
        try await until("it is taken") { bridge.figures.taken == 1 }
        // At least half of 20, 40, 80, 160, 320 and 640.
        #expect(ContinuousClock.now - began > .milliseconds(600))
    }

    /// One message after the other takes longer than all may take together: each has to come to its end all the same.
    @Test func aSlowServiceIsNotSentTheSameForEver() async throws {
        let broker = try Mosquitto()
        var options = BridgeOptions.to(broker)
        options.patienceMS = 1000
        try await queued((0..<12).map { "\($0)" }, topic: "iot/a", on: broker, options)
        let notebook = Notebook { _, _ in
            try? await Task.sleep(for: .milliseconds(150))
            return .taken
        }
        let bridge = try Bridge.open(options, notebook)
        try await until("all, in several goes") { notebook.payloads.last == "11" && bridge.figures.isConnected && bridge.figures.unsettled == 0 }
        bridge.close()
        // The broker has heard of it.
        let later = Notebook()
        let next = try Bridge.open(options, later)
        defer { next.close() }
        try await next.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "last")
        try await until("the last") { later.payloads.contains("last") }
        #expect(later.payloads == ["last"])
    }

    /// Something fails on one message for good: the others wait for so many attempts, and no longer.
    @Test(arguments: [BridgeOptions.Version.v5, .v311])
    func whatFailsForGoodIsSetAside(_ version: BridgeOptions.Version) async throws {
        let broker = try Mosquitto()
        var options = BridgeOptions.to(broker, version)
        options.attempts = 5
        try await queued(["0", "bad", "1"], topic: "iot/a", on: broker, options)
        let notebook = Notebook { message, _ in message.payload == Array("bad".utf8) ? .failed : .taken }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await until("the one behind it") { bridge.figures.taken >= 2 && notebook.payloads.last == "1" && bridge.figures.unsettled == 0 }
        // Perhaps once with the others, then alone.
        #expect((5...6).contains(notebook.payloads.count { $0 == "bad" }) && bridge.figures.refused == 1)
    }

    /// That something is away is no message's fault.
    @Test func whatIsNotTakenForAnotherReasonIsNotSetAside() async throws {
        let broker = try Mosquitto()
        var options = BridgeOptions.to(broker)
        options.attempts = 2
        let notebook = Notebook { _, attempt in attempt == 2 ? .failed : attempt < 8 ? .later : .taken }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await bridge.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "one")
        try await until("it is taken") { bridge.figures.taken == 1 }
        #expect(bridge.figures.refused == 0)
    }

    /// What was cut off is begun again on the next connection: the rest of it must not go on beside that.
    @Test func whatComesAgainIsNotGoneOnWith() async throws {
        let broker = try Mosquitto()
        var options = BridgeOptions.to(broker)
        options.patienceMS = 200
        try await queued(["0", "1", "2"], topic: "iot/a", on: broker, options)
        let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
        let notebook = Notebook { message, attempt in
            if message.payload == Array("0".utf8), attempt == 1 { await withCheckedContinuation { waiter in gate.withLock { $0 = waiter } } }
            return .taken
        }
        let bridge = try Bridge.open(options, notebook)
        defer { bridge.close() }
        try await until("all, on another connection") { notebook.payloads == ["0", "0", "1", "2"] }
        gate.withLock { $0.take() }?.resume()
        // It has heard of it when this one has gone through.
        try broker.publish("-t", "iot/b", "-q", "1", "-m", "last")
        try await until("the last") { notebook.payloads.contains("last") }
        try await Task.sleep(for: .milliseconds(50))
        #expect(notebook.payloads == ["0", "0", "1", "2", "last"])
    }
}

import Bridge
import Foundation
import Synchronization
import Testing

/// Takes in what a bridge reads, as the test wants it.
final class Notebook: Ingest {
    typealias Answer = @Sendable (BridgedMessage, _ attempt: Int) async -> IngestOutcome

    private let state = Mutex<(messages: [BridgedMessage], notes: [BridgeNote])>(([], []))
    private let answer: Answer

    init(_ answer: @escaping Answer = { _, _ in .taken }) { self.answer = answer }

    func take(_ message: BridgedMessage, isLast: Bool) async -> IngestOutcome {
        let attempt = state.withLock { state in
            state.messages.append(message)
            return state.messages.count { $0.payload == message.payload }
        }
        let outcome = await answer(message, attempt)
        return isLast && outcome == .failed ? .refused : outcome
    }

    func note(_ note: BridgeNote) { state.withLock { $0.notes.append(note) } }

    var messages: [BridgedMessage] { state.withLock { $0.messages } }
    var payloads: [String] { messages.map { String(decoding: $0.payload, as: UTF8.self) } }
    var notes: [BridgeNote] { state.withLock { $0.notes } }
    var sessionsPresent: [Bool] { notes.compactMap { if case .connected(let present) = $0 { present } else { nil } } }
}

extension BridgeOptions {
    static func to(_ broker: Mosquitto, _ version: Version = .v5, filters: [String] = ["iot/#"]) -> BridgeOptions {
        var options = BridgeOptions(name: "test", host: "127.0.0.1", port: broker.port, clientID: "bridge-test")
        options.version = version
        options.inward = filters.map { Inward(filter: $0) }
        options.backoffMS = 20
        options.backoffMostMS = 100
        return options
    }
}

extension Bridge {
    static func open(_ options: BridgeOptions, _ notebook: Notebook = Notebook()) throws -> Bridge {
        try Bridge(options, ingest: notebook, note: { notebook.note($0) })
    }

    /// It is connected, and has what it subscribed to.
    func ready() async throws {
        try await until("connected") {
            let figures = figures
            return figures.isConnected && figures.subscribing == 0
        }
    }
}

/// Waits until it holds, two minutes at most.
func until(_ what: String, _ condition: () throws -> Bool, _ place: SourceLocation = #_sourceLocation) async throws {
    let end = ContinuousClock.now + .seconds(120)
    while try !condition() {
        try #require(ContinuousClock.now < end, "\(what): not in time", sourceLocation: place)
        try await Task.sleep(for: .milliseconds(5))
    }
}

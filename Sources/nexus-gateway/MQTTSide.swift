import EventCore
import Gateway
import Settings
import Stores
import Topics

/// What MQTT clients have in common: the broker, and the file in which their sessions survive.
struct MQTTSide: Sendable {
    let broker: Broker
    let refused: RefusedRetries
    private let store: SQLiteSessionStore
    /// What a former process left: under what the log may remember messages.
    private let known: Set<UInt64>

    static func isWanted(by configuration: Configuration) -> Bool { configuration.allListeners.contains { $0.mqtt != nil } }

    /// Nil when no listener speaks MQTT.
    /// - Parameter deliver: takes the broker's replies.
    init?(_ configuration: Configuration, core: EventLog, deliver: @escaping Broker.Deliver) throws {
        guard Self.isWanted(by: configuration) else { return nil }
        let path = configuration.mqtt.path ?? SQLiteSessionStore.path(ofEvents: configuration.store.path)
        do throws(SessionStoreFault) {
            store = try SQLiteSessionStore(path: path)
            known = try store.marks()
            broker = try Broker(
                store: store, options: Broker.Options(configuration.mqtt), workers: Gateway.workers(of: configuration), deliver: deliver)
        } catch {
            throw Unopened(text: error.text)
        }
        refused = RefusedRetries(broker: broker, core: core)
    }

    /// The workers run.
    func begin(_ inlet: Inlet, core: EventLog) {
        refused.begin(inlet)
        let strangers = core.takeRestoredSessions().filter { !known.contains($0) }
        if !strangers.isEmpty { Task.detached { await Self.forget(strangers, core) } }
    }

    /// Sessions that were to end with their connections have not told the log so when the process was killed. What is not done now is
    /// found again at the next start.
    private static func forget(_ sessions: [UInt64], _ core: EventLog) async {
        var rest = sessions[...]
        while !rest.isEmpty {
            let batch = rest.prefix(forgottenAtOnce)
            rest = rest.dropFirst(forgottenAtOnce)
            let isDone = await withTaskGroup(of: Bool.self) { group in
                for session in batch {
                    group.addTask { (try? await core.ask(.forgetDeliveries(session: session))) != nil }
                }
                return await group.reduce(true) { $0 && $1 }
            }
            if !isDone { return }
        }
    }

    /// Of the log's queue, which others need.
    private static let forgottenAtOnce = 256

    /// Carries out what was handed in; then nobody may ask any more.
    func close() {
        broker.close()
        store.close()
    }

    private struct Unopened: Error, CustomStringConvertible {
        var text: String
        var description: String { text }
    }
}

extension Broker.Options {
    init(_ settings: MQTTSettings) {
        self.init()
        sessions = settings.sessions
        sessionsOfOne = settings.sessionsPerPrincipal
        sessionExpiry = UInt32(clamping: settings.sessionExpiry / 1000)
        subscriptions = settings.subscriptions
        queuedMessages = settings.queuedMessages
        queuedBytes = settings.queuedBytes
        allQueuedBytes = settings.allQueuedBytes
        allSessionBytes = settings.allSessionBytes
        inFlight = settings.inFlight
        retained = settings.retained
        retainedBytes = settings.retainedBytes
        refused = settings.refused
    }
}

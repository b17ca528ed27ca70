import Gateway
import Settings
import Stores
import Topics

/// What MQTT clients have in common: the broker, and the file in which their sessions survive.
struct MQTTSide: Sendable {
    let broker: Broker
    private let store: SQLiteSessionStore

    static func isWanted(by configuration: Configuration) -> Bool { configuration.allListeners.contains { $0.mqtt != nil } }

    /// Nil when no listener speaks MQTT.
    /// - Parameter deliver: takes the broker's replies.
    init?(_ configuration: Configuration, deliver: @escaping Broker.Deliver) throws {
        guard Self.isWanted(by: configuration) else { return nil }
        let path = configuration.mqtt.path ?? SQLiteSessionStore.path(ofEvents: configuration.store.path)
        do throws(SessionStoreFault) {
            store = try SQLiteSessionStore(path: path)
            broker = try Broker(
                store: store, options: Broker.Options(configuration.mqtt), workers: Gateway.workers(of: configuration), deliver: deliver)
        } catch {
            throw Unopened(text: error.text)
        }
    }

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

public import Bus
public import Topics
import EventCore
import WireMQTT

/// Messages of the feed go to whoever subscribes at the gateway itself.
public struct BrokerSink: TopicSink {
    private let broker: Broker

    public init(_ broker: Broker) { self.broker = broker }

    /// `done` when the message is on disk in every queue and place where it has to survive.
    public func publish(_ message: FeedMessage) async -> Applied {
        let published = Message(
            topic: message.topic, payload: message.payload, qos: .atLeastOnce, isRetained: message.isRetained,
            properties: BrokerSink.json, expiresMS: message.expiresMS ?? .max)
        do throws(PublishFault) {
            _ = try await broker.publish(published)
            return .done
        } catch {
            return .transient(Failure(reason: "the broker cannot take the message: reason \(error.reason.rawValue)"))
        }
    }

    /// Properties as MQTT 5 encodes them: text (1), of the content type (3) `application/json`.
    private static let json: [UInt8] = [1, 1, 3, 0, 16] + Array("application/json".utf8)
}

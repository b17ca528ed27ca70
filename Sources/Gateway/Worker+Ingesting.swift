import Exchanges
import Identity
import Pipeline
import Settings
import Topics
import WireMQTT

/// Messages that come from outside brokers.
extension Worker {
    /// Sends one through the pipeline.
    func begin(_ ingestion: Ingestion) {
        let name = ingestion.message.topic
        let levels = ports[Int(ingestion.source.session.listener)].mqtt?.levels ?? 0
        // As of clients; such a topic is not kept either.
        guard name.count <= MQTTFields.longestTopic, TopicName.isValid(name.span, mostLevels: levels) else {
            return ingestion.answer(.refused, MQTTEnding(Outcome(.noRoute, "the topic is none, or has too many levels")))
        }
        if ingestion.isRetried, shared.revocations.isRevoked(ingestion.source.principal) {
            return ingestion.answer(.refused, MQTTEnding(CredentialFault.revoked.outcome))
        }
        takePublish().begin(ingestion)
    }

    /// The worker ends: what it has not done it will not do.
    func endIngestions(_ left: [WorkerMessage]) {
        for exchange in exchanges { (exchange.wire as? MQTTPublish)?.cutIngestion() }
        for case .ingest(let ingestion) in left { ingestion.answer(.later) }
    }
}

import Exchanges
import Pipeline
import Routes
import WireMQTT

/// The wire of an exchange that only asks whether a client may: subscribe to a filter, or have his will published.
final class MQTTPermission: Wire {
    private let connection: MQTTConnection
    /// Told once. Nil = he may.
    private let decided: (MQTTEnding?) -> Void
    private var exchange: Exchange?

    var session: Session { connection.session }

    init(_ connection: MQTTConnection, _ decided: @escaping (MQTTEnding?) -> Void) {
        self.connection = connection
        self.decided = decided
    }

    /// A filter, under its path: without the name of a share.
    func begin(subscribe filter: [UInt8], fields: Head, fieldText: [UInt8]) {
        begin(.subscribe, "SUBSCRIBE ", filter, fields, fieldText) { _ in }
    }

    /// A filter that was granted on an earlier connection: what it costs to ask for it was paid then.
    func begin(again filter: [UInt8]) {
        begin(.subscribe, "SUBSCRIBE ", filter, Head(), []) { $0.done.insert(StageSet(.quota)) }
    }

    /// A will's topic. Who asks and whether he may is looked at now; limits and contracts when it is published.
    func begin(will topic: [UInt8], bytes: Int) {
        begin(.publish, "POST ", topic, Head(), []) { exchange in
            exchange.requestBody = .known(UInt64(bytes))
            for stage in Stage.allCases where stage != .identify && stage != .authorize { exchange.done.insert(StageSet(stage)) }
        }
    }

    private func begin(
        _ verb: Verb, _ method: StaticString, _ topic: [UInt8], _ fields: Head, _ fieldText: [UInt8],
        _ prepare: (Exchange) -> Void
    ) {
        let text = Buffer(capacity: 256)
        text.append(fieldText)
        let start = text.count
        text.append(method)
        var head = fields
        head.verb = verb
        head.dialect = .mqtt
        head.method = Slice(start, text.count - 1)
        let path = text.count
        TopicPath.append(topic.span, isFilter: verb == .subscribe, into: text)
        head.path = Slice(path, text.count)
        head.target = head.path
        let exchange = connection.worker.takeExchange(wire: self)
        self.exchange = exchange
        exchange.head = head
        exchange.text = text
        exchange.bytesIn = UInt64(text.count)
        exchange.sessionPrincipal = connection.principal
        prepare(exchange)
        connection.worker.admit(exchange, session: session, upgrade: false)
    }

    /// It has come through the pipeline: nothing is in its way.
    func allow() { finish(nil, 200) }

    private func finish(_ ending: MQTTEnding?, _ status: UInt16) {
        guard let exchange = exchange.take() else { return }
        exchange.status = status
        if let origin = exchange.origin.take() { origin.cancel() }
        connection.worker.finish(exchange)
        decided(ending)
    }

    private func refuse(_ ending: MQTTEnding, _ exchange: Exchange) {
        if exchange === self.exchange { finish(ending, ending.outcome.httpStatus) }
    }

    // MARK: - Wire

    func answer(_ outcome: Outcome, of exchange: Exchange) { refuse(MQTTEnding(outcome), exchange) }

    /// A query of the core is answered: its policy has found in the object what it wants of whoever asks.
    func answer(_ reply: LocalReply, of exchange: Exchange) {
        if reply.outcome == nil, reply.status == 200, exchange === self.exchange { return allow() }
        refuse(MQTTEnding(reply) ?? MQTTEnding(Outcome(.unsupported, "this route takes no subscriptions")), exchange)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) { refuse(MQTTEnding(why), exchange) }

    /// No upstream is asked for these.
    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {}
    func end(trailers: Buffer?, of exchange: Exchange) {
        refuse(MQTTEnding(Outcome(.unsupported, "this route takes no subscriptions")), exchange)
    }
    func flush() {}
    func resumeBody(of exchange: Exchange) {}
}

import Exchanges
import Pipeline
import Routes
import Topics
import WireMQTT

/// The wire of one filter's exchange: may this client subscribe to it?
final class MQTTFilterRequest: Wire {
    private let connection: MQTTConnection
    private let work: SubscribeInWork
    private let place: Int
    private var exchange: Exchange?

    var session: Session { connection.session }

    init(_ connection: MQTTConnection, _ work: SubscribeInWork, _ place: Int) {
        self.connection = connection
        self.work = work
        self.place = place
    }

    /// Sends it through the pipeline, under the filter's path: without the name of a share.
    func begin(_ filter: TopicFilter) {
        let text = Buffer(capacity: 256)
        text.append(work.fieldText)
        var head = work.fields
        head.verb = .subscribe
        head.dialect = .mqtt
        let start = text.count
        text.append("SUBSCRIBE " as StaticString)
        head.method = Slice(start, start + 9)
        let filterText = filter.text
        TopicPath.append(filterText.span, isFilter: true, into: text)
        head.path = Slice(start + 10, text.count)
        head.target = head.path
        let exchange = connection.worker.takeExchange(wire: self)
        self.exchange = exchange
        exchange.head = head
        exchange.text = text
        exchange.bytesIn = UInt64(text.count)
        exchange.sessionPrincipal = connection.principal
        connection.worker.admit(exchange, session: session, upgrade: false)
    }

    /// Its target is the broker: nothing is in its way.
    func allow() { finish(nil, 200) }

    private func finish(_ ending: MQTTEnding?, _ status: UInt16) {
        guard let exchange = exchange.take() else { return }
        exchange.status = status
        if let origin = exchange.origin.take() { origin.cancel() }
        connection.worker.finish(exchange)
        connection.decided(work, place, ending)
    }

    private func refuse(_ ending: MQTTEnding, _ exchange: Exchange) {
        if exchange === self.exchange { finish(ending, ending.outcome.httpStatus) }
    }

    // MARK: - Wire

    func answer(_ outcome: Outcome, of exchange: Exchange) { refuse(MQTTEnding(outcome), exchange) }

    func answer(_ reply: LocalReply, of exchange: Exchange) {
        refuse(MQTTEnding(reply) ?? MQTTEnding(Outcome(.unsupported, "this route takes no subscriptions")), exchange)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) { refuse(MQTTEnding(why), exchange) }

    /// Subscriptions are the broker's: no upstream answers for one.
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

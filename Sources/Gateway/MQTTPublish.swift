import Contracts
import EventCore
import Exchanges
import Pipeline
import Routes
import Settings
import Telemetry
import Topics
import WireMQTT

/// The wire of one PUBLISH's exchange: its message whole from the beginning, its answer one reason code. Kept by its
/// worker and used again.
final class MQTTPublish: Wire {
    private let worker: Worker
    /// Nil for a will, whose client is gone, and for what an outside broker has sent.
    private(set) var connection: MQTTConnection?
    private(set) var exchange: Exchange?
    private(set) var session = Session.inside

    // The message.
    private var head = Head()
    /// `POST /path`, the topic as it is, and the fields.
    private var text = Buffer(capacity: 512)
    private var payload = Buffer(capacity: 256)
    private var topic = Slice.none
    /// No level is `.` or `..`: servers of HTTP would take those as steps in the path, encoded or not.
    private(set) var fitsClusters = true
    private var forwarded: [UInt8] = []
    private(set) var qos = QoS.atMostOnce
    private(set) var isResent = false
    private var isRetained = false
    private(set) var packetID: UInt16 = 0
    private var expiresMS = UInt64.max
    /// Its place among the answers of its connection.
    var number: UInt64 = 0
    private var clientID: [UInt8] = []
    /// Of a message from an outside broker: hears what comes of it.
    private var ingestion: Ingestion?

    // The end.
    /// What the upstream has answered.
    private var status: UInt16 = 0
    /// Waits until it is kept for people.
    private var keeping: MQTTEnding?
    /// Who remembers that it has come, if anybody does.
    private(set) var keeper = MessageKeeper.nobody

    init(worker: Worker) { self.worker = worker }

    // MARK: - The message

    /// Takes over what a packet says.
    func fill(_ packet: PublishPacket, _ bytes: borrowing Span<UInt8>, topic name: borrowing Span<UInt8>, version: MQTTVersion) {
        qos = packet.qos
        isResent = packet.dup
        isRetained = packet.retain
        packetID = packet.packetID
        expiresMS = packet.messageExpiry.map { UInt64(max(0, WallClock.nowNS())) / 1_000_000 + UInt64($0) * 1000 } ?? .max
        payload.append(bytes.extracting(packet.payload))
        beginText(name)
        if version == .v5, !packet.properties.isEmpty {
            forwarded = PublishProperties.forwarded(packet.properties, in: bytes)
            let type = PublishProperties.contentType(packet.properties, in: bytes)
            if let type, MQTTFields.isValue(bytes.extracting(type)) {
                MQTTFields.append("content-type", bytes.extracting(type), to: &head, text)
            }
            MQTTFields.append(userProperties: packet.properties, in: bytes, to: &head, text)
        }
        endText()
    }

    /// The same of a message that no packet has brought: a will, or one from an outside broker.
    func fill(_ message: Message) {
        qos = message.qos
        isRetained = message.isRetained
        expiresMS = message.expiresMS
        payload.append(message.payload)
        forwarded = message.properties
        let (topic, properties) = (message.topic, message.properties)
        beginText(topic.span)
        if !properties.isEmpty {
            let (all, bytes) = (0..<properties.count, properties.span)
            if let type = PublishProperties.contentType(all, in: bytes), MQTTFields.isValue(bytes.extracting(type)) {
                MQTTFields.append("content-type", bytes.extracting(type), to: &head, text)
            }
            MQTTFields.append(userProperties: all, in: bytes, to: &head, text)
        }
        endText()
    }

    private func beginText(_ name: borrowing Span<UInt8>) {
        text.append("POST " as StaticString)
        fitsClusters = TopicPath.append(name, isFilter: false, into: text)
        head.verb = .publish
        head.dialect = .mqtt
        head.method = Slice(0, 4)
        head.path = Slice(5, text.count)
        head.target = head.path
        let start = text.count
        text.append(name)
        topic = Slice(start, text.count)
    }

    private func endText() {
        if head.first(.contentType) == nil { MQTTFields.append("content-type", Self.json.utf8Span.span, to: &head, text) }
    }

    private static let json = "application/json"

    // MARK: - The exchange

    /// Sends it through the pipeline.
    func begin(_ connection: MQTTConnection?, _ session: Session, as principal: Principal, clientID: [UInt8]) {
        self.connection = connection
        self.session = session
        self.clientID = clientID
        let exchange = worker.takeExchange(wire: self)
        self.exchange = exchange
        swap(&exchange.head, &head)
        exchange.text = text
        exchange.bytesIn = UInt64(text.count + payload.count)
        exchange.requestBody = .known(UInt64(payload.count))
        exchange.body = payload
        exchange.bodyComplete = true
        exchange.sessionPrincipal = principal
        cost = text.count + payload.count + forwarded.count
        connection?.began(self)
        if let connection {
            if qos != .atMostOnce { exchange.delivery = mark(of: connection) }
        } else if let ingestion, ingestion.isRetried {
            // However often it is sent again: a mark of its own, which is held until it is off the list.
            exchange.delivery = DeliveryMark(
                session: ingestion.mark, packetID: 1, isExactlyOnce: true, isResent: true, fingerprint: fingerprint, window: 1)
        }
        worker.admit(exchange, session: session, upgrade: false)
    }

    /// The same with one from an outside broker.
    func begin(_ ingestion: Ingestion) {
        fill(ingestion.message)
        self.ingestion = ingestion
        worker.callsUnderWay += 1
        let source = ingestion.source
        begin(nil, source.session, as: source.principal, clientID: source.name)
    }

    private func mark(of connection: MQTTConnection) -> DeliveryMark {
        DeliveryMark(
            session: connection.incarnation, packetID: packetID, isExactlyOnce: qos == .exactlyOnce, isResent: isResent,
            fingerprint: fingerprint, window: connection.grants.receiveMaximum)
    }

    private var fingerprint: UInt64 {
        var digest = RepeatDigest(worker.shared.desks.repeatSecret)
        text.withReadable { digest.add($0.extracting(topic.range)) }
        payload.withReadable { digest.add($0) }
        return digest.finish().low
    }

    /// Bytes that it holds.
    private(set) var cost = 0

    /// A later message must not pass it.
    var isParked: Bool { exchange?.isParked == true }

    /// The target is the broker: to those who have subscribed.
    func relay() {
        guard let exchange else { return }
        keeper = .broker
        let message = Message(
            topic: topicBytes, payload: payload.copyReadable(), qos: qos, isRetained: isRetained, properties: forwarded,
            expiresMS: expiresMS)
        // A session that has ended meanwhile has nobody who would repeat it.
        let from = connection?.handle
        worker.requests.ask(
            .publish(message, from: from, packetID: qos == .exactlyOnce && from != nil ? packetID : 0, exchange.ticket))
    }

    private var topicBytes: [UInt8] { text.withReadable { $0.extracting(topic.range).bytes } }

    // MARK: - The end

    func published(subscribers: Int) {
        guard let exchange, exchange.status == 0 else { return }
        exchange.status = 202
        finish(subscribers == 0 ? .noMatchingSubscribers : .success)
    }

    /// The broker could not do it.
    func failed(_ reason: ReasonCode) {
        if let ending = keeping {
            // Who cannot be told why is made to send it again.
            return connection?.version == .v5 ? conclude(ending) : lose()
        }
        guard let exchange, exchange.status == 0 else { return }
        refuse(MQTTEnding(Outcome(reason == .quotaExceeded ? .rateLimited : .upstreamUnavailable, "the message could not be kept")))
    }

    private func refuse(_ ending: MQTTEnding) {
        guard let exchange, exchange.status == 0 else { return }
        exchange.status = ending.outcome.httpStatus
        keeper = .nobody
        worker.meters.count(publish: qos.rawValue, isDone: false)
        // It is on the list already, and stays there.
        if let ingestion, ingestion.isRetried { return conclude(ending) }
        let hears = connection?.version == .v5 && qos != .atMostOnce
        let isSpent = ingestion?.isLast == true && ending.isFailure
        // Nobody would send a will again.
        let isWill = connection == nil && ingestion == nil
        if !hears, qos != .atMostOnce, ending.isTemporary, !isSpent, !isWill {
            answerIngestion(ending.isFailure ? .failed : .later)
            return lose()
        }
        guard ending.isPoison || !hears && qos != .atMostOnce, worker.shared.desks.broker != nil else { return conclude(ending) }
        keeping = ending
        worker.requests.ask(.refuse(refused(ending, by: exchange), exchange.ticket))
    }

    private func refused(_ ending: MQTTEnding, by exchange: Exchange) -> RefusedMessage {
        let sender = exchange.sessionPrincipal ?? .anonymous
        return RefusedMessage(
            topic: topicBytes, payload: Array(payload.copyReadable().prefix(RefusedMessage.mostPayload)), clientID: clientID,
            subject: exchange.loggedPrincipal, qos: qos, code: "\(ending.outcome.code.name)",
            reason: String(decoding: ending.text, as: UTF8.self),
            atMS: UInt64(max(0, WallClock.nowNS())) / 1_000_000, owner: sender.owner(isNewSession: false),
            standing: KeptSender.standing(of: sender, listener: worker.ports[Int(session.listener)].share.settings.name),
            properties: forwarded, isRetained: isRetained, expiresMS: expiresMS, mark: .random(in: 1...(.max)),
            isCut: payload.count > RefusedMessage.mostPayload)
    }

    /// It is kept for people.
    func kept() {
        if let ending = keeping { conclude(ending) }
    }

    /// Who was refused hears why, where his version can say it.
    private func conclude(_ ending: MQTTEnding) {
        if ingestion != nil {
            // What only a service that fails often refuses is refused by now.
            answerIngestion(ending.isTemporary && keeping == nil ? .later : .refused, ending)
            return recycle()
        }
        guard connection?.version == .v5 else { return finish(.success) }
        finish(ending.publishReason, text: ending.text)
    }

    /// Nothing was done, and nothing can be said: the client finds its connection ended, and sends it again.
    private func lose() {
        let connection = self.connection
        recycle()
        connection?.end(.implementationSpecificError, "a message could not be taken for now")
    }

    /// Its connection is over while it waits for a stage. Who has no answer sends it again, on his next connection: what is
    /// left of this one must not come behind that, when the message may have been released already.
    func giveUp() {
        guard isParked, qos != .atMostOnce, let exchange, exchange.status == 0 else { return }
        exchange.status = Code.cancelled.httpStatus
        recycle()
    }

    private func finish(_ reason: ReasonCode, text: [UInt8] = []) {
        if !reason.isError && keeping == nil { worker.meters.count(publish: qos.rawValue, isDone: true) }
        if let connection { connection.answered(self, reason, text: text) }
        answerIngestion(.taken)
        recycle()
    }

    /// Whoever waits for it hears no more of it.
    func cutIngestion() {
        guard ingestion != nil else { return }
        exchange?.status = Code.cancelled.httpStatus
        recycle()
    }

    private func answerIngestion(_ ending: MessageEnding, _ why: MQTTEnding? = nil) {
        guard let ingestion = ingestion.take() else { return }
        worker.callsUnderWay -= 1
        ingestion.answer(ending, why)
    }

    private func recycle() {
        guard let exchange = exchange.take() else { return }
        if let origin = exchange.origin.take() { origin.cancel() }
        // What asks an upstream under a key may still read them.
        let isShared = exchange.repeatFence != nil || exchange.repeatKey != nil
        worker.finish(exchange)
        discard(isShared: isShared)
    }

    /// Gives it back. It has no exchange, or none any more.
    func discard(isShared: Bool = false) {
        if let connection = connection.take() { connection.released(self) }
        // Lost on its way.
        answerIngestion(.later)
        if isShared || text.capacity > 4096 { text = Buffer(capacity: 512) } else { text.clear() }
        if isShared || payload.capacity > 8192 { payload = Buffer(capacity: 256) } else { payload.clear() }
        session = .inside
        forwarded = []
        clientID = []
        head.clear()
        status = 0
        keeping = nil
        keeper = .nobody
        packetID = 0
        number = 0
        worker.give(self)
    }

    // MARK: - Wire

    func answer(_ outcome: Outcome, of exchange: Exchange) {
        if exchange === self.exchange { refuse(MQTTEnding(outcome)) }
    }

    func answer(_ reply: LocalReply, of exchange: Exchange) {
        guard exchange === self.exchange, exchange.status == 0 else { return }
        if let ending = MQTTEnding(reply) { return refuse(ending) }
        done(reply.status, of: exchange)
    }

    private func done(_ status: UInt16, of exchange: Exchange) {
        exchange.status = status
        if case .command = exchange.target { keeper = .log }
        if case .anyCommand = exchange.target { keeper = .log }
        finish(.success)
    }

    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}

    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) { status = 502 }

    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        if exchange === self.exchange, status == 0 { status = reply.status }
    }

    /// Nobody reads the body of the answer.
    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) { exchange.bytesOut += UInt64(bytes.count) }

    func end(trailers: Buffer?, of exchange: Exchange) {
        guard exchange === self.exchange, exchange.status == 0 else { return }
        exchange.origin = nil
        if let ending = MQTTEnding(status: status) { return refuse(ending) }
        done(status, of: exchange)
    }

    func flush() {}
    func resumeBody(of exchange: Exchange) {}

    func abort(_ exchange: Exchange, _ why: Outcome) {
        worker.countAborted(exchange, why)
        if exchange === self.exchange { refuse(MQTTEnding(why)) }
    }
}

/// Who knows a message with QoS 2 again until it is released.
enum MessageKeeper { case nobody, log, broker }

import EventCore
import Exchanges
import Identity
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// One MQTT client. Its CONNECT is an exchange that lives as long as the connection; every PUBLISH (`MQTTPublish`) and
/// every filter of a SUBSCRIBE (`MQTTPermission`) is one of its own. This file is its life; `+Reading` takes packets
/// apart, `+Connecting` lets it in, `+Publishing` and `+Subscribing` do what it asks, `+Delivering` writes, `+Draining` lets go.
///
/// A silent one holds no buffer: it is this object, its exchange, and its session in the broker.
final class MQTTConnection: ServedConnection {
    enum Phase {
        /// CONNECT is waited for.
        case opening
        /// CONNECT is in the pipeline, or at the broker.
        case admitting
        case open
        /// A drain: what has been sent is still answered.
        case finishing
        /// The last packet is on its way; input is thrown away until the client has seen it.
        case ending
        case closed
    }

    let worker: Worker
    let port: ListenerPort
    let session: Session
    let grants: ListenerMQTT
    var transport: Transport
    var phase = Phase.opening
    var version = MQTTVersion.v311
    /// CONNECT could be read as far as that.
    var isVersionKnown = false

    // Reading.
    let input: Buffer
    var readable = false
    var inputEnded = false
    var driving = false
    /// It stands among those that go on when the broker and the log take requests again.
    var isHeldBack = false
    /// Loop milliseconds since when a packet has been coming, and by which it must be whole; 0 = none is, or it is not read
    /// for now.
    var packetSinceMS: UInt64 = 0
    var packetByMS: UInt64 = 0
    /// Loop milliseconds of the last whole packet.
    var heardMS: UInt64
    /// 1.5 times the keep alive; 0 = none.
    var patienceMS: UInt64 = 0

    // Writing.
    let output: Buffer
    var outputBlocked = false
    var flushAsked = false
    /// Loop milliseconds by which the client must have taken something; 0 = nothing waits for that.
    var stalledByMS: UInt64 = 0
    /// The broker was told to send nothing more for now.
    var isHeld = false
    private var hasShutDown = false

    // The session.
    var exchange: Exchange?
    /// What CONNECT said, until the session is there.
    var opening: MQTTOpening?
    var clientID: [UInt8] = []
    var principal = Principal.anonymous
    var handle: SessionHandle?
    var incarnation: UInt64 = 0
    var sessionExpiry: UInt32 = 0
    var hasWill = false
    var maximumPacketSize = UInt32.max
    var wantsProblems = true
    /// The log may remember messages of this session.
    var hasMarks = false

    // What the client has sent.
    var aliases: [[UInt8]] = []
    var answers = AcknowledgementOrder()
    /// Its messages with QoS 2, until they are released.
    var incoming = IncomingMessages()
    /// Topic aliases that may be set towards the client; their table is made with the first of them.
    var aliasesGranted: UInt16 = 0
    var outgoingAliases: OutgoingAliases?
    /// Packet identifiers of messages with QoS 2 on their way to the client.
    var outgoing: Set<UInt16> = []
    /// Packet identifiers that the log was told to release, in that order.
    var releasing: [UInt16] = []
    /// Messages in the pipeline with any QoS, and their bytes.
    var inWork = 0
    var bytesInWork = 0
    /// SUBSCRIBEs and UNSUBSCRIBEs that the broker has not answered.
    var asked = 0
    /// A message in the pipeline that later ones must not pass.
    var parked: MQTTPublish?
    var subscribing: SubscribeInWork?

    init(_ transport: Transport, session: Session, port: ListenerPort, grants: ListenerMQTT, worker: Worker) {
        self.transport = transport
        self.session = session
        self.port = port
        self.grants = grants
        self.worker = worker
        heardMS = worker.loop.nowMS
        input = Buffer(pool: worker.loop.buffers)
        output = Buffer(pool: worker.loop.buffers)
        super.init(port: port, worker: worker)
        worker.meters.count(.mqttOpened)
    }

    // MARK: - Events

    override func ready(_ report: Readiness) {
        let readiness = transport.translate(report)
        if !readiness.isDisjoint(with: .failed) { return lost() }
        if readiness.contains(.readable) || readiness.contains(.peerClosed) { readable = true }
        if readiness.contains(.peerClosed) { inputEnded = true }
        if outputBlocked && readiness.contains(.writable) { flush() }
        drive()
    }

    override func turnEnded() {
        flushAsked = false
        flush()
    }

    /// What was waited for is there.
    func goOn() {
        if phase != .closed { worker.loop.again(self) }
    }

    override func deadlinePassed() {
        let now = worker.loop.nowMS
        switch phase {
        case .opening: return close(reset: true)
        case .admitting: return refuseConnect(.serverUnavailable, "it took too long to let the client in")
        case .ending: return close()
        case .closed: return
        case .open, .finishing:
            if stalledByMS > 0, now >= stalledByMS { return lost() }
            if packetByMS > 0, now >= packetByMS { return end(.keepAliveTimeout, "a packet was begun and not ended") }
            if patienceMS > 0, now >= heardMS + patienceMS { return end(.keepAliveTimeout, "nothing was heard for 1.5 times the keep alive") }
            if now >= ageMS { return end(.maximumConnectTime, "the connection has lived as long as it may") }
        }
        arm()
    }

    private var ageMS: UInt64 {
        let route = exchange?.endsByMS ?? 0
        return route > 0 ? min(route, agedMS) : agedMS
    }

    /// The one deadline: the next time that something has to be looked at.
    func arm() {
        var next = UInt64.max
        switch phase {
        case .open, .finishing:
            if patienceMS > 0 { next = heardMS + patienceMS }
            if stalledByMS > 0 { next = min(next, stalledByMS) }
            if packetByMS > 0 { next = min(next, packetByMS) }
            next = min(next, ageMS)
        case .opening, .admitting, .ending, .closed: return
        }
        let now = worker.loop.nowMS
        worker.loop.setDeadline(self, afterMS: next == .max ? 0 : next > now ? next - now : 1)
    }

    // MARK: - Endings

    /// Says why where the version can, and ends.
    /// - Parameter reference: where to go on; empty = nothing is said.
    func end(
        _ reason: ReasonCode, _ detail: StaticString, reference: [UInt8] = [], _ departure: Departure = .lost(sessionExpiry: nil)
    ) {
        guard phase == .open || phase == .finishing else { return close() }
        worker.meters.count(disconnect: reason.rawValue)
        if version == .v5 {
            var text = Array("\(detail)".utf8)
            if !mayAdd(text, beside: reference.count) { text = [] }
            PacketWriter.disconnect(reason, text: text.span, reference: reference.span, into: output)
            worker.meters.count(packetOut: PacketType.disconnect.rawValue)
        }
        leave(departure)
        finish()
    }

    /// May an answer have this reason string? Not beyond the client's Maximum Packet Size (MQTT 5.0 section 3.4.2.2.2).
    /// - Parameter beside: bytes of what else it says.
    func mayAdd(_ text: [UInt8], beside: Int = 0) -> Bool { wantsProblems && text.count + beside + 16 <= Int(maximumPacketSize) }

    /// A packet that must not be sent again by its sender, or could not be taken apart.
    func fail(_ fault: MQTTFault) {
        if phase == .opening || phase == .admitting {
            refuseConnect(fault.reason, fault.detail)
        } else {
            end(fault.reason, fault.detail)
        }
    }

    /// The session is told how its connection ended, and CONNECT's exchange is over.
    func leave(_ departure: Departure) {
        opening = nil
        subscribing = nil
        let parked = parked.take()
        parked?.giveUp()
        guard let exchange = exchange.take() else { return }
        if let handle = handle.take() {
            if hasWill, case .lost = departure { worker.rememberDeparted(clientID, principal, listener: session.listener) }
            worker.requests.ask(.detach(handle, exchange.ticket, departure))
            if hasMarks, departure.sessionExpiry ?? sessionExpiry == 0 {
                worker.requests.ask(Submission(ticket: exchange.ticket, work: .forgetDeliveries(session: incarnation)))
            }
        }
        if exchange.status == 0 { exchange.status = Code.cancelled.httpStatus }
        worker.finish(exchange)
    }

    /// No more packets: what is written still leaves.
    func finish() {
        guard phase != .ending, phase != .closed else { return }
        phase = .ending
        stalledByMS = 0
        worker.loop.setDeadline(self, afterMS: UInt64(max(1, port.timeouts.linger)))
        flush()
        if phase == .ending { goOn() }
    }

    /// All that was written has left: ends our side (closing with unread input would reset the connection, and could take
    /// the last packet with it).
    func shutDownIfFlushed() {
        guard phase == .ending, output.isEmpty, !hasShutDown else { return }
        hasShutDown = true
        guard transport.shutdownSending(), port.timeouts.linger > 0 else { return close() }
    }

    /// The client is gone.
    func lost() {
        leave(.lost(sessionExpiry: nil))
        close(reset: true)
    }

    /// The credential of its CONNECT is none any more.
    func credentialEnded(_ fault: CredentialFault) { end(fault.disconnectReason, fault.text) }

    override func cutOff() {
        if phase == .open || phase == .finishing { sendOn("the gateway ends") }
        close()
    }

    override func drain() { beginToEnd() }

    func close(reset: Bool = false) {
        guard phase != .closed else { return }
        leave(.lost(sessionExpiry: nil))
        phase = .closed
        worker.loop.unregister(self)
        transport.close(reset: reset)
        for buffer in [input, output] {
            buffer.clear()
            buffer.giveBack()
        }
        answers = AcknowledgementOrder()
        incoming = IncomingMessages()
        outgoingAliases = nil
        worker.meters.count(.mqttClosed)
        worker.connectionClosed(port, session.peer)
    }
}

extension Departure {
    /// Seconds, where DISCONNECT said them.
    var sessionExpiry: UInt32? {
        switch self {
        case .clean(let seconds), .lost(let seconds): seconds
        }
    }
}

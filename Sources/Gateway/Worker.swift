import Contracts
import EventCore
import Exchanges
import Identity
import Pipeline
import Policies
import Reactor
import Routes
import Settings
import Synchronization
import Threads
import TLS
import Telemetry
import Topics
import WireHTTP

/// What other threads may tell a worker.
enum WorkerMessage: Sendable {
    case generation(Generation)
    /// Answers of the core, for exchanges of this worker.
    case replies([Reply])
    /// What the broker has to say to connections and exchanges of this worker.
    case topics([BrokerReply])
    /// A whole answer made off the worker.
    case local(Ticket, LocalReply)
    case resolved(name: String, [SocketAddress])
    /// What the exchange is parked for is there, or will not come.
    case wake(Ticket)
    /// What was said about an exchange's access that is parked for it.
    case opinion(Ticket, AccessMark.Opinion)
    /// A bulkhead has a place for one that waited; `most` is how many it lets in.
    case admitted(Ticket, ClusterState, most: Int)
    /// Make this call.
    case call(PendingCall)
    /// Its caller has no use for the answer any more.
    case cancelCall(PendingCall)
    /// A message from an outside broker.
    case ingest(Ingestion)
    /// Finish what runs, on connections that then close; then the loop ends.
    case drain
    /// Take no new connections any more.
    case closeListeners
    /// End now.
    case stop
}

/// One thread's gateway: its loop, connections, pools, exchanges and counters. Nothing here is
/// shared or locked. This file is the worker's life; `+Exchanges` runs exchanges, `+Proxying` sends
/// them upstream, `+Commanding` to the core.
final class Worker {
    let index: UInt16
    let loop: EventLoop
    let shared: Shared
    let mailbox: Mailbox<WorkerMessage>
    let meters: WorkerMeters
    let admission: Admission
    let quota: Quota
    /// What its budgets have said.
    let budgets: BudgetBoard
    let accessLog: RequestLog?
    var identifiers = Identifiers()
    /// Addresses of the names that clusters use, as last resolved.
    private(set) var addresses: [String: [SocketAddress]] = [:]
    private(set) var isDraining = false

    private var acceptors: [Acceptor] = []
    private(set) var ports: [ListenerPort] = []
    private var reader: MailboxReader<WorkerMessage>?
    private var openConnections = 0
    /// Calls of the gateway's own, and messages from outside brokers: a drain waits for them too.
    var callsUnderWay = 0
    let handshakes: HandshakeQueue

    // Exchanges, by slot.
    var exchanges: [Exchange] = []
    var freeExchanges: [UInt32] = []
    // Configuration generations in use, by the number an exchange carries; the newest is `currentEra`.
    var eras: [Era?] = []
    var currentEra: UInt16 = 0

    /// What one receive from an upstream goes into; whatever is left of it moves to the connection.
    let scratch = Buffer(capacity: 128 << 10)
    /// What an HTTP/2 connection sends in one go; empty between two of them.
    let outgoing = Buffer(capacity: 128 << 10)
    /// For the engines of its HTTP/2 connections.
    let http2Memory = HTTP2Memory()
    /// Request bodies that may have to go again.
    let replay = RequestReplay()
    /// What HTTP/2 connections to upstreams use one after the other.
    let http2Spares = HTTP2UpstreamSpares()
    private var spareReplies: [ReplyHead] = []
    private var spareStreams: [ClientStream] = []
    /// Fields on their way into an HTTP/2 encoder; used and done with inside one call.
    let fieldBlock = HTTP2FieldBlock()
    var idleBackoffs: [Backoff] = []
    var idleVersionWaits: [VersionWait] = []
    var idleRepeatWaits: [RepeatWait] = []
    /// What the last inspection found.
    var inspected: [Invalid.Field] = []
    /// Between messages and JSON.
    var transcoder = ProtoTranscoder()
    private lazy var ends = WaitingEnds(self)
    var sparePublishes: [MQTTPublish] = []
    /// For the broker, and for the log on behalf of MQTT clients.
    private(set) lazy var requests = WaitingRequests(self)
    /// Clients whose will may come to be due, by client identifier.
    var departed: [[UInt8]: (principal: Principal, listener: UInt16)] = [:]
    /// Who has asked before.
    var identification: Identification
    private(set) lazy var leases = Leases(self)
    /// Calls of Health/Watch.
    var healthWatches: [ObjectIdentifier: HealthCall] = [:]
    private let date = DateField()

    /// On the worker's own thread.
    init(
        index: UInt16, shared: Shared, mailbox: Mailbox<WorkerMessage>, sockets: [(ListeningSocket, ListenerShare)],
        generation: Generation
    ) throws(SystemError) {
        self.index = index
        self.shared = shared
        self.mailbox = mailbox
        loop = try EventLoop()
        handshakes = HandshakeQueue(on: loop)
        meters = WorkerMeters(shared.meters)
        admission = Admission(limits: shared.limits, hash: shared.hash)
        quota = Quota(rates: shared.budgets.rates, concurrency: shared.budgets.concurrency)
        budgets = shared.budgets.board()
        accessLog = shared.accessLog.map { [meters] in
            RequestLog(writer: $0, meters: meters, service: shared.service)
        }
        identification = Identification(tokens: generation.stages.identity.tokensInMemory, hash: shared.hash)
        shared.tallies.withLock { [tally = identification.tally] in $0.append(tally) }
        eras = [Era(generation, previous: nil, worker: self)]
        reader = try MailboxReader(mailbox, on: loop) { [unowned self] in receive($0) }
        for (i, (socket, share)) in sockets.enumerated() {
            let port = ListenerPort(number: UInt16(i), share: share, generation: generation)
            ports.append(port)
            acceptors.append(
                try Acceptor(
                    socket, on: loop,
                    accepted: { [unowned self] descriptor, peer in accepted(descriptor, peer, port) },
                    exhausted: { [shared] in shared.log.warning("cannot accept", ["error": "\($0)"]) }))
        }
        loop.endOfTurn = { [unowned self] in endTurn() }
    }

    func run() {
        shared.heartbeats[Int(index)].beat()  // it is there, and listens
        loop.run()
        for connection in allConnections() { connection.cutOff() }
        for acceptor in acceptors { acceptor.stop() }
        endCalls()
        for era in eras { era?.clusters.forEach { $0.retire() } }
        eras.removeAll()
        accessLog?.flush()
    }

    private func endTurn() {
        shared.heartbeats[Int(index)].beat()
        accessLog?.endTurn(nowNS: loop.nowNS)
        if isDraining && openConnections == 0 && callsUnderWay == 0 && !shared.isHeld.load(ordering: .acquiring) { loop.stop() }
    }

    // MARK: - Messages

    private func receive(_ message: WorkerMessage) {
        switch message {
        case .generation(let generation): adopt(generation)
        case .replies(let replies): for reply in replies { deliver(reply) }
        case .topics(let replies):
            shared.topicsPosted[Int(index)].subtract(1)
            for reply in replies { deliver(reply) }
        case .local(let ticket, let reply):
            if let exchange = exchange(ticket) { exchange.wire?.answer(reply, of: exchange) }
        case .resolved(let name, let found):
            addresses[name] = found
            for era in eras { era?.clusters.forEach { $0.resolved(name, to: found) } }
        case .wake(let ticket): wake(ticket)
        case .opinion(let ticket, let opinion): take(opinion, for: ticket)
        case .admitted(let ticket, let state, let most): admitted(ticket, by: state, most: most)
        case .call(let pending): begin(pending)
        case .cancelCall(let pending): cancel(pending)
        case .ingest(let ingestion): begin(ingestion)
        case .drain: drain()
        case .closeListeners: closeListeners { _ in true }
        case .stop: loop.stop()
        }
    }

    private func adopt(_ generation: Generation) {
        let era = Era(generation, previous: eras[Int(currentEra)], worker: self)
        let old = currentEra
        if let free = eras.firstIndex(where: { $0 == nil }) {
            eras[free] = era
            currentEra = UInt16(free)
        } else {
            currentEra = UInt16(eras.count)
            eras.append(era)
        }
        moveConnections()
        retireIfOver(old)
        identification.forgetRefused()
        for port in ports { port.adopt(generation) }
        for watch in healthWatches.values { watch.look() }
    }

    /// Lets a past era go once nothing runs under it, with the pools that no other era uses.
    func retireIfOver(_ number: UInt16) {
        guard number != currentEra, let era = eras[Int(number)], era.exchanges == 0 else { return }
        eras[Int(number)] = nil
        for cluster in era.clusters {
            let kept = eras.contains { $0?.clusters.contains { $0 === cluster } ?? false }
            if !kept { cluster.retire() }
        }
    }

    private func drain() {
        guard !isDraining else { return }
        isDraining = true
        // Who listens on a supervisor's socket after us answers there; elsewhere we are the only one who can.
        closeListeners { $0.isInherited }
        for watch in healthWatches.values { watch.look() }
        for connection in allConnections() { connection.drain() }
        for era in eras { era?.clusters.forEach { $0.endpoints.forEach { $0.retire() } } }
    }

    private func closeListeners(where isOver: (ListenerShare) -> Bool) {
        for (acceptor, port) in zip(acceptors, ports) where isOver(port.share) { acceptor.stop() }
    }

    private func allConnections() -> [ServedConnection] {
        var found: [ServedConnection] = []
        loop.forEachSource { if let connection = $0 as? ServedConnection { found.append(connection) } }
        return found
    }

    // MARK: - Connections

    /// Milliseconds a connection that comes during a drain has to begin.
    static let latePatience: UInt32 = 1000

    private func accepted(_ descriptor: Int32, _ peer: SocketAddress, _ port: ListenerPort) {
        var transport = Transport(descriptor: descriptor)
        let words = peer.words
        guard port.share.enter(words, isTrusted: port.trusts(IPAddress(high: words.high, low: words.low))) else {
            meters.count(.connectionsRefused)
            transport.close(reset: true)
            return
        }
        let connection: ServedConnection
        var patience: UInt32
        if let context = port.tls {
            connection = Handshake(transport, context: context, peer: peer, port: port, worker: self)
            patience = port.handshakePatience
        } else if let grants = port.mqtt {
            connection = MQTTConnection(transport, session: port.session(of: peer), port: port, grants: grants, worker: self)
            patience = port.timeouts.head
        } else {
            connection = ClientConnection(transport, session: port.session(of: peer), port: port, worker: self)
            patience = port.timeouts.keepAlive
        }
        guard loop.register(connection, descriptor: descriptor) == 0 else {
            port.share.leave(words)
            meters.count(.connectionsRefused)
            transport.close()
            return
        }
        openConnections += 1
        meters.count(.connectionsAccepted)
        // It comes late: it may ask at once, or not at all.
        if isDraining { patience = min(patience, Self.latePatience) }
        if port.tls != nil { meters.count(.started, side: .client) }
        loop.setDeadline(connection, afterMS: UInt64(patience))
    }

    /// A handshake is done: the connection that speaks what was agreed takes its place.
    func serve(
        _ transport: Transport, session: Session, port: ListenerPort, protocol: TLSProtocolName,
        replacing handshake: Handshake, peerClosed: Bool
    ) {
        if let grants = port.mqtt {
            let connection = MQTTConnection(transport, session: session, port: port, grants: grants, worker: self)
            loop.replace(handshake, with: connection)
            loop.setDeadline(connection, afterMS: UInt64(port.timeouts.head))
            if peerClosed {
                connection.ready([.readable, .peerClosed])
            } else if transport.layer?.isDrained == false {
                connection.ready(.readable)
            }
            return
        }
        if `protocol` == .http2 {
            let connection = HTTP2Connection(transport, session: session, port: port, worker: self)
            loop.replace(handshake, with: connection)
            return connection.begin(nil, peerClosed: peerClosed)
        }
        let connection = ClientConnection(transport, session: session, port: port, worker: self)
        loop.replace(handshake, with: connection)
        loop.setDeadline(connection, afterMS: UInt64(port.timeouts.keepAlive))
        // What came behind the handshake has been reported already.
        if peerClosed {
            connection.ready([.readable, .peerClosed])
        } else if transport.layer?.isDrained == false {
            connection.ready(.readable)
        }
    }

    /// The client's first bytes were an HTTP/2 preface: the connection goes on as that.
    func switchToHTTP2(_ connection: ClientConnection, _ transport: Transport, received: Buffer, peerClosed: Bool) {
        let successor = HTTP2Connection(transport, session: connection.session, port: connection.port, worker: self)
        loop.replace(connection, with: successor)
        successor.begin(received, peerClosed: peerClosed)
    }

    func takeClientStream(for connection: HTTP2Connection) -> ClientStream {
        let stream = spareStreams.popLast() ?? ClientStream(worker: self, session: connection.session)
        stream.take(connection)
        return stream
    }

    func giveClientStream(_ stream: ClientStream) {
        if spareStreams.count < 1024 && stream.isSmall { spareStreams.append(stream) }
    }

    func connectionClosed(_ port: ListenerPort, _ peer: (high: UInt64, low: UInt64)) {
        openConnections -= 1
        port.share.leave(peer)
        meters.count(.connectionsClosed)
    }

    // MARK: - Small things every connection needs

    /// A reply head to parse into, from the spare ones.
    func takeReply() -> ReplyHead { spareReplies.popLast() ?? ReplyHead() }

    /// Moves it back, with the room of its list: a copy would have to make its own.
    func giveReply(_ head: inout ReplyHead) {
        var given = ReplyHead()
        swap(&given, &head)
        given.clear()
        spareReplies.append(given)
    }

    func dateField(into out: Buffer) { date.append(nowNS: loop.nowNS, to: out) }

    func dateField(into block: HTTP2FieldBlock) { date.append(nowNS: loop.nowNS, to: block) }

    /// The exchange waits with nobody who looks at its time: its end is watched for.
    func watch(_ exchange: Exchange) {
        if exchange.endsByMS > 0 { ends.add(exchange.ticket, byMS: exchange.endsByMS) }
    }

    /// A number in `0..<bound`.
    func draw(below bound: Int) -> Int {
        Int(((identifiers.next() >> 32) &* UInt64(bound)) >> 32)
    }
}

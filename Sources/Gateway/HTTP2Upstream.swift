import Exchanges
import Pipeline
import Reactor
import Settings
import TLS
import Telemetry
import WireHTTP

/// One HTTP/2 connection to an endpoint, shared by many exchanges: connects, carries each on a stream
/// of its own, takes no more once the endpoint says so (GOAWAY) or its time is over, and closes with
/// its last stream. This file is its life; `+Bytes` moves them.
///
/// What the session reports is told to the exchanges when the session has been left: ending one may
/// begin another on this same connection.
final class HTTP2Upstream: Source, HTTP2SessionHandler {
    enum State { case connecting, open, closed }

    let worker: Worker
    /// The worker's, and the endpoint's: what is a constant of this object is read without counting references.
    let loop: EventLoop
    private let spares: HTTP2UpstreamSpares
    private let fields: FieldEntries
    private let scratch: Buffer
    private let authority: [UInt8]
    let endpoint: Endpoint
    var transport: Transport
    private(set) var state = State.connecting
    /// The connection's state without its socket.
    let session: HTTP2Session
    private var approach: Approach
    /// When it is too old for another exchange; loop milliseconds.
    private let oldMS: UInt64
    /// Exchanges at a time, and in all, as configured.
    private let mostStreams: Int
    private let mostRequests: Int
    private var served = 0
    /// Answers that have not been set against a retry yet.
    private var answers = 0
    /// The endpoint's settings have come: it speaks HTTP/2, and how many streams it takes is known. Requests
    /// sent before could be more than it takes, and would be refused.
    private var isGreeted = false
    private var greets = false
    /// Takes no new exchanges.
    private(set) var isRetired = false

    /// When the first request began since a byte was last heard, and when the endpoint was last asked for a sign
    /// of life (0 = never); loop milliseconds.
    private var unheardMS: UInt64 = 0
    private var askedMS: UInt64 = 0
    private var hasAsked = false
    /// How long an endpoint may be silent with requests before it, and then to a PING.
    private static let silenceMS: UInt64 = 5_000

    /// The streams of exchanges, and those that wait for the session to forget them.
    private var streams: [HTTP2UpstreamStream] = []
    /// Those whose wires have to hear of this turn.
    private var touched: [HTTP2UpstreamStream] = []
    /// Those the session has forgotten.
    private var over: [HTTP2UpstreamStream] = []
    /// Those whose outbound bytes have all been taken.
    private var drained: [HTTP2UpstreamStream] = []

    // Bytes; used by `+Bytes` only.
    /// What the socket did not take.
    let output: Buffer
    var outputBlocked = false
    var readable = false
    var peerClosed = false
    var isMarked = false
    /// Writes that moved anything: tells whether a request can have left.
    var writes: UInt64 = 0
    /// When the last byte came; loop milliseconds.
    var heardMS: UInt64
    /// Receives that brought anything: tells whether that was before or after a request left.
    var receives: UInt64 = 0
    var flushedNS: UInt64 = 0
    var flushes = 0

    /// Starts connecting; nil when even that fails.
    init?(to endpoint: Endpoint, worker: Worker) {
        guard case .success(let descriptor) = Dial.start(endpoint.address) else { return nil }
        self.endpoint = endpoint
        self.worker = worker
        loop = worker.loop
        spares = worker.http2Spares
        fields = spares.fields
        scratch = spares.scratch
        authority = endpoint.authority
        transport = Transport(descriptor: descriptor)
        let isSecure = endpoint.cluster.tls != nil
        approach = Approach(to: endpoint, worker: worker, required: isSecure ? .http2 : nil)
        heardMS = worker.loop.nowMS
        let pool = endpoint.cluster.specification.pool
        oldMS = pool.maxAge > 0 ? worker.loop.nowMS + UInt64(pool.maxAge) : .max
        mostRequests = pool.requests > 0 ? pool.requests : .max
        mostStreams = endpoint.cluster.specification.http2.maxConcurrentStreams
        output = Buffer(pool: worker.loop.buffers)
        session = HTTP2Session(
            .client, settings: endpoint.cluster.http2, nowMS: worker.loop.nowMS, memory: worker.http2Memory)
        super.init()
        session.handler = self
        guard worker.loop.register(self, descriptor: descriptor) == 0 else {
            transport.close()
            return nil
        }
        endpoint.connectionOpened()
    }

    // MARK: - Carrying exchanges

    var load: Int { streams.count }

    /// May another exchange begin here?
    var hasRoom: Bool {
        guard state != .closed, !isRetired, !isTooOld else { return false }
        return streams.count < mostStreams && streams.count < allowedStreams
    }

    /// As the endpoint says; until it does, as it did on the connection before: what comes beyond is refused.
    private var allowedStreams: Int { isGreeted ? session.mostPeerStreams : max(1, endpoint.allowedStreams) }

    /// What it is when an exchange's time is up here.
    var lateFault: UpstreamFault { state == .connecting ? approach.lateFault : .timeout }

    /// Lived longer than `max_age`.
    var isTooOld: Bool { worker.loop.nowMS > oldMS }

    /// Takes the exchange; its request leaves at the end of this turn, or when the connection is there.
    func begin(_ exchange: Exchange) {
        let stream = spares.takeStream(worker)
        stream.place = streams.count
        streams.append(stream)
        served += 1
        if served >= mostRequests { retire() }
        if heardMS > unheardMS { unheardMS = worker.loop.nowMS }
        if !isGreeted {
            if streams.count == 1 {
                loop.setDeadline(self, afterMS: UInt64(approach.patience(exchange.rule.timeouts)))
            }
        } else if streams.count == 1 {
            watch()
        }
        stream.begin(exchange, on: self)
        if isGreeted { stream.sendRequest() } else { stream.armAnswerDeadline() }
    }

    /// No new exchanges; closes with the last.
    func retire() {
        guard !isRetired else { return }
        isRetired = true
        endpoint.sharedRetired(self)
        // There may be another connection in its place.
        endpoint.cluster.serveWaitingSoon()
        // Not at once: the caller may be inside the session.
        if streams.isEmpty && state != .closed { worker.loop.again(self) }
    }

    // MARK: - From streams

    // Not inlined: inside, this object is the caller's to keep, and its constants are read without counting.

    /// Opens the stream with the exchange's request. False = the connection takes no more streams.
    @inline(never)
    func open(_ stream: HTTP2Stream, for exchange: Exchange, of client: Session, ended: Bool) -> Bool {
        ForwardedRequest.write(
            exchange, session: client, table: worker.era(of: exchange).table, endpoint: authority,
            isSecure: transport.layer != nil, nowMS: worker.loop.nowMS, scratch: scratch, into: fields)
        return session.request(stream, fields.block, ended: ended)
    }

    /// There is something in the stream's `outbound`, or its end has been said.
    @inline(never)
    func push(_ stream: HTTP2Stream) {
        session.resume(stream)
        mark()
    }

    /// `n` bytes of the answer wait in memory of their own.
    @inline(never) func stored(_ stream: HTTP2Stream, _ n: Int) { session.stored(stream, n) }

    /// All bytes of the stream's answer have been used.
    @inline(never) func consumed(_ stream: HTTP2Stream) { session.consumed(stream, stream.unusedBytes) }

    /// The wire of this stream's exchange has something to hear at the end of this turn.
    func touch(_ stream: HTTP2UpstreamStream) { touched.append(stream) }

    func forgotten(_ stream: HTTP2UpstreamStream) { over.append(stream) }

    func hasDrained(_ stream: HTTP2UpstreamStream) { drained.append(stream) }

    func hasAnswered() { answers += 1 }

    /// May a request that met this connection dead go again without asking the retry budget? As often as the
    /// connection has answered, so that such retries cannot outnumber the answers.
    func takeStaleRetry() -> Bool {
        guard answers > 0 else { return false }
        answers -= 1
        return true
    }

    /// The stream is nobody's any more. - Parameter isClean: it can be used again.
    func remove(_ stream: HTTP2UpstreamStream, isClean: Bool = true) {
        let last = streams.removeLast()
        if last !== stream {
            streams[stream.place] = last
            last.place = stream.place
        }
        if isClean { spares.give(stream) } else { stream.discard() }
        if streams.isEmpty { rest() }
    }

    /// Nothing runs here: wait for more, or end.
    private func rest() {
        guard state == .open else { return }
        if isRetired || endpoint.hasEnoughResting {
            worker.loop.again(self)
        } else {
            loop.setDeadline(self, afterMS: UInt64(endpoint.cluster.specification.pool.idleTimeout))
        }
    }

    // MARK: - Silence

    /// Sets the time of the next look.
    private func watch() {
        let now = worker.loop.nowMS
        watch(from: askedMS > heardMS ? askedMS : !hasAsked && unheardMS >= heardMS ? unheardMS : now)
    }

    private func watch(from startMS: UInt64) {
        let end = startMS + Self.silenceMS
        loop.setDeadline(self, afterMS: end > worker.loop.nowMS ? end - worker.loop.nowMS : 1)
    }

    /// Requests are out. A way that has broken without a word would be found out by the first of them to time
    /// out, which may be never where clients are less patient than the route: so a silent endpoint is asked for
    /// a sign of life. Only once until a stream has heard something: endpoints punish who asks often.
    private func checkForLife() {
        // What has not even left cannot be answered: that has deadlines of its own.
        guard !outputBlocked else { return watch(from: worker.loop.nowMS) }
        let now = worker.loop.nowMS
        if askedMS > heardMS && now >= askedMS + Self.silenceMS { return lost(.timeout) }
        if !hasAsked && unheardMS >= heardMS && now >= unheardMS + Self.silenceMS {
            hasAsked = true
            askedMS = now
            session.ping()
            mark()
        }
        watch()
    }

    // MARK: - After the session

    /// Tells the exchanges what the session has reported. Never inside the session.
    func settle() {
        if greets {
            greets = false
            if state == .open { begin() }
        }
        if !touched.isEmpty { hasAsked = false }
        var i = 0
        while i < touched.count {
            touched[i].tellWire()
            i += 1
        }
        touched.removeAll(keepingCapacity: true)
        guard !over.isEmpty else { return }
        i = 0
        while i < over.count {
            let stream = over[i]
            stream.endWithStream()
            if state != .closed { remove(stream) }
            i += 1
        }
        over.removeAll(keepingCapacity: true)
        endpoint.cluster.serveWaitingSoon()
    }

    /// Lets request bodies go on whose streams have room again.
    func resumeBodies() {
        var i = 0
        while i < drained.count {
            drained[i].hasRoomAgain()
            i += 1
        }
        drained.removeAll(keepingCapacity: true)
    }

    // MARK: - Events

    override func ready(_ readiness: Readiness) {
        switch state {
        case .connecting:
            // Called back by `again`: the only news there is.
            if readiness.isEmpty && isRetired && streams.isEmpty { return close() }
            switch approach.advance(readiness, &transport) {
            case .waiting: return
            case .onward:
                if let exchange = streams.first?.exchange {
                    loop.setDeadline(self, afterMS: UInt64(approach.patience(exchange.rule.timeouts)))
                }
                return worker.loop.again(self)
            case .later: return worker.loop.again(self)
            case .failed(let fault): return lost(fault)
            case .arrived: arrived()
            }
        case .open: break
        case .closed: return
        }
        move(readiness)
        if state == .open, streams.isEmpty, isRetired || endpoint.hasEnoughResting { leave() }
    }

    private func arrived() {
        state = .open
        // What came behind the handshake may be in the layer, and nobody will report it.
        readable = transport.layer != nil
        heardMS = worker.loop.nowMS
        if let exchange = streams.first?.exchange {
            loop.setDeadline(self, afterMS: UInt64(exchange.rule.timeouts.connect))
        }
        unheardMS = heardMS
        mark()
        if streams.isEmpty { rest() }
    }

    /// The endpoint has greeted: what waited for that goes now.
    private func begin() {
        unheardMS = heardMS
        watch()
        var i = 0
        while i < streams.count {
            // A stream that cannot be opened is taken out, and another is in its place.
            let stream = streams[i]
            stream.sendRequest()
            if i < streams.count && streams[i] === stream { i += 1 }
            if state != .open { return }
        }
        i = 0
        while i < streams.count {
            streams[i].hasRoomAgain()
            i += 1
        }
        mark()
        if streams.isEmpty { rest() }
    }

    override func turnEnded() { writeTurn() }

    override func deadlinePassed() {
        switch state {
        case .connecting: lost(approach.lateFault)
        case .open:
            if streams.isEmpty { leave() } else if isGreeted { checkForLife() } else { lost(.connectTimeout) }
        case .closed: break
        }
    }

    // MARK: - The session's reports

    func streamOpened() -> HTTP2Stream? { nil }

    func goAwayReceived(_ error: HTTP2Error) { retire() }

    func settingsReceived() {
        if !isGreeted {
            isGreeted = true
            greets = true
        }
        endpoint.allowedStreams = session.mostPeerStreams
        endpoint.cluster.serveWaitingSoon()
    }

    // MARK: - Endings

    /// Ends an idle connection in order.
    private func leave() {
        retire()
        session.goAway(.noError, final: true)
        flush()
        close()
    }

    /// Nobody waits for anything here any more, it takes nobody new, and what is left to say (that streams are
    /// cancelled) nobody reads.
    func endIfDeserted() {
        guard state == .open, isRetired, outputBlocked, !streams.contains(where: { $0.exchange != nil }) else { return }
        lost(.timeout)
    }

    /// The connection is gone, or is of no use: every exchange on it hears the same, unless its answer
    /// is complete.
    func lost(_ fault: UpstreamFault) {
        guard state != .closed else { return }
        // First of all: what has to go again must not come back here.
        retire()
        settle()
        close()
        let gone = streams
        streams.removeAll()
        session.abandon(.internalError)
        over.removeAll()
        for stream in gone {
            stream.endWithConnection(fault)
            worker.http2Spares.give(stream)
        }
        endpoint.cluster.serveWaitingSoon()
    }

    private func close() {
        guard state != .closed else { return }
        retire()
        state = .closed
        worker.loop.unregister(self)
        transport.close()
        output.clear()
        output.giveBack()
        endpoint.connectionClosed()
    }
}

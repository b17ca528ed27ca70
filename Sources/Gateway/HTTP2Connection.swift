import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// One HTTP/2 client connection: moves bytes between its socket and its session, and ends in order.
/// Its requests are `ClientStream`s. All that one turn of the loop has to say leaves in one write.
final class HTTP2Connection: ServedConnection, HTTP2SessionHandler {
    enum Phase {
        case open
        /// The announcement of the end has gone (GOAWAY with the highest id); the real one follows.
        case announced
        /// No new streams; what runs may finish.
        case finishing
        /// All is written; input is thrown away until the peer ends or time is up.
        case lingering
        case closed
    }

    let worker: Worker
    private let loop: EventLoop
    let port: ListenerPort
    let session: Session
    /// The connection's state without its socket.
    let http: HTTP2Session
    private var transport: Transport
    /// The worker's, for what leaves at once; nearly everything does.
    private let outgoing: Buffer
    /// What the socket did not take.
    private let output: Buffer
    private(set) var phase = Phase.open
    private var readable = true
    private var inputEnded = false
    private var outputBlocked = false
    private var flushAsked = false
    /// The session has nothing more to read: what it has to say is its last word.
    private var broken = false
    /// Streams with something new for their origin, or waiting for credit to answer.
    private var touched: [ClientStream] = []
    /// Streams that have had something to write since the last time all was written.
    private var senders: [ClientStream] = []

    init(_ transport: Transport, session: Session, port: ListenerPort, worker: Worker) {
        self.transport = transport
        self.session = session
        self.port = port
        self.worker = worker
        loop = worker.loop
        outgoing = worker.outgoing
        output = Buffer(pool: worker.loop.buffers)
        http = HTTP2Session(.server, settings: port.http2, nowMS: worker.loop.nowMS, memory: worker.http2Memory)
        super.init(port: port, worker: worker)
        http.handler = self
        worker.meters.count(.http2Opened)
    }

    /// Begins, with what has been read already. The source is registered by now.
    /// - Parameter peerClosed: the client's end has been reported already.
    func begin(_ received: Buffer?, peerClosed: Bool) {
        inputEnded = peerClosed
        arm()
        if let received { received.withReadable { take($0) } }
        if worker.isDraining { drain() }
        flushSoon()
        worker.loop.again(self)
    }

    // MARK: - Events

    override func ready(_ report: Readiness) {
        let readiness = transport.translate(report)
        if !readiness.isDisjoint(with: .failed) { return lost() }
        if readiness.contains(.readable) || readiness.contains(.peerClosed) { readable = true }
        if readiness.contains(.peerClosed) { inputEnded = true }
        if outputBlocked && readiness.contains(.writable) { flush() }
        read()
    }

    private static let readsPerTurn = 16
    private static let highWater = 64 * 1024

    private func read() {
        var reads = 0
        while readable && phase != .closed {
            // Answers first: a peer that does not read is not read from.
            if outputBlocked && output.count >= Self.highWater { return }
            if reads == Self.readsPerTurn { return worker.loop.again(self) }
            reads += 1
            let buffer = worker.scratch
            switch transport.receive(into: buffer) {
            case .moved(let n):
                worker.meters.count(.bytesIn, by: UInt64(n))
                if transport.isDrained(buffer) && !inputEnded { readable = false }
                if phase != .lingering { buffer.withReadable { take($0) } }
                buffer.clear()
            case .wouldBlock: readable = false
            case .ended:
                readable = false
                return phase == .lingering ? close() : lost()
            case .failed: return lost()
            }
        }
    }

    private func take(_ bytes: borrowing Span<UInt8>) {
        guard !broken else { return }
        if !http.receive(bytes, nowMS: worker.loop.nowMS) { broken = true }
        for stream in touched { stream.flushOrigin() }
        touched.removeAll(keepingCapacity: true)
        flushSoon()
    }

    override func deadlinePassed() {
        switch phase {
        case .closed: break
        case .lingering: close()
        case _ where outputBlocked: lost()  // a peer that does not read
        case .open:
            // Idle for long: the end is announced, because a request may be on its way.
            if http.openStreams == 0 { drain() }
        case .announced:
            phase = .finishing
            http.goAway(.noError, final: true)
            arm()
            flushSoon()
        case .finishing: if http.openStreams == 0 { linger() }
        }
    }

    /// With nothing running there is a limit to the wait; with streams they have deadlines of their own.
    private func arm() {
        guard !outputBlocked else { return }
        var patience: UInt32 = 0
        switch phase {
        case .open: if http.openStreams == 0 { patience = port.timeouts.keepAlive }
        case .announced: patience = Self.announcementMS
        // A field section may have begun that never ends: the session counts it as a stream, we do not.
        case .finishing: if http.openStreams == 0 { patience = max(1, port.timeouts.linger) }
        case .lingering, .closed: return
        }
        worker.loop.setDeadline(self, afterMS: UInt64(patience))
    }

    /// About a round trip: requests that were sent before the announcement came have arrived by then.
    private static let announcementMS: UInt32 = 1000

    // MARK: - Session

    func streamOpened() -> HTTP2Stream? {
        guard phase == .open || phase == .announced else { return nil }
        if loop.nowMS >= agedMS { drain() }
        // Not the deadline of a client that does not read: new requests do not put that off.
        if http.openStreams == 0 && phase == .open && !outputBlocked { worker.loop.setDeadline(self, afterMS: 0) }
        return worker.takeClientStream(for: self).stream
    }

    func goAwayReceived(_ error: HTTP2Error) {
        // The client opens no more streams; what runs is answered, then the session is over.
        flushSoon()
    }

    func settingsReceived() {}

    /// The stream has something to be put on its way when what is being read has been read.
    func touch(_ stream: ClientStream) { touched.append(stream) }

    // Not inlined: inside, this object is the caller's to keep, and its constants are read without counting.

    /// The head of the stream's answer.
    @inline(never)
    func respond(_ stream: HTTP2Stream, _ head: HTTP2FieldBlock, ended: Bool) { http.respond(stream, head, ended: ended) }

    /// What the stream has said leaves at the end of this turn, as far as the client gives credit for it.
    @inline(never)
    func push(_ client: ClientStream) {
        http.resume(client.stream)
        if client.joinsSenders() { senders.append(client) }
        flushSoon()
    }

    /// The stream is gone.
    func streamOver(_ stream: ClientStream) {
        worker.giveClientStream(stream)
        if http.openStreams == 0 && phase != .announced { arm() }
    }

    // MARK: - Out

    func flushSoon() {
        guard !flushAsked, phase != .closed else { return }
        flushAsked = true
        loop.atEndOfTurn(self)
    }

    override func turnEnded() {
        flushAsked = false
        flush()
    }

    private func flush() {
        guard phase != .closed, phase != .lingering else { return }
        var progress = !outputBlocked
        while true {
            let out = output.isEmpty ? outgoing : output
            let more = http.write(into: out, upTo: Self.highWater)
            guard !out.isEmpty else { break }
            let result = transport.send(out)
            if out !== output && !out.isEmpty {
                out.withReadable { output.append($0) }
                out.clear()
            }
            switch result {
            case .moved(let n):
                progress = true
                worker.meters.count(.bytesOut, by: UInt64(n))
                if !output.isEmpty || more { continue }
            case .wouldBlock, .ended:
                outputBlocked = true
                if progress { worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.send)) }
                return
            case .failed: return lost()
            }
            break
        }
        output.giveBack()
        for sender in senders { sender.sent() }
        senders.removeAll(keepingCapacity: true)
        if outputBlocked {
            outputBlocked = false
            arm()
            if readable { worker.loop.again(self) }
        }
        if http.isOver || broken { linger() }
    }

    // MARK: - Endings

    /// RFC 9113 section 6.8: first the announcement, a second later the last id that was taken.
    override func drain() {
        guard phase == .open else { return }
        phase = .announced
        http.goAway(.noError, final: false)
        arm()
        flushSoon()
    }

    /// Ends our side, and reads on for a moment, so that a reset cannot take our last words with it.
    private func linger() {
        guard phase != .closed, phase != .lingering else { return }
        endStreams()
        if let error = http.endedFor, error != .noError { worker.meters.count(.http2Goaways) }
        transport.shutdownSending()
        if inputEnded || port.timeouts.linger == 0 { return close() }
        phase = .lingering
        worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.linger))
    }

    private func lost() {
        endStreams()
        close(reset: true)
    }

    override func cutOff() {
        endStreams()
        close(reset: true)
    }

    private func endStreams() {
        http.abandon(.cancel)
        touched.removeAll()
        senders.removeAll()
    }

    private func close(reset: Bool = false) {
        guard phase != .closed else { return }
        phase = .closed
        worker.loop.unregister(self)
        transport.close(reset: reset)
        output.clear()
        output.giveBack()
        worker.meters.count(.http2Closed)
        worker.connectionClosed(port, session.peer)
    }
}

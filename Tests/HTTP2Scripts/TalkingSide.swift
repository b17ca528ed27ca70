import Exchanges
import WireHTTP

/// One of `TwoSides`.
final class TalkingSide: HTTP2SessionHandler {
    let role: HTTP2Session.Role
    private(set) var session: HTTP2Session!
    let pool = BufferPool()
    private(set) var streams: [TalkingStream] = []
    var wrong: String?
    var nowMS: UInt64 = 1
    /// The peer takes no new streams: after the last one there is nothing more to read.
    private(set) var hasBeenLeft = false
    private let head = HTTP2FieldBlock()
    private let output = Buffer(capacity: 256)
    private let settings: HTTP2Settings

    init(_ role: HTTP2Session.Role) {
        self.role = role
        var settings = HTTP2Settings()
        settings.maxConcurrentStreams = 4
        settings.streamWindow = 1 << 14
        settings.connectionWindow = 1 << 16
        self.settings = settings
        session = HTTP2Session(role, settings: settings, handler: self, nowMS: 1)
    }

    var mostUnused: Int { Int(settings.streamWindow) }

    func streamOpened() -> HTTP2Stream? {
        let one = TalkingStream(self)
        streams.append(one)
        return one.stream
    }

    func goAwayReceived(_ error: HTTP2Error) { hasBeenLeft = true }
    func settingsReceived() {}

    func ask(_ number: Int, body: Int, trailers: Bool) {
        let one = TalkingStream(self)
        one.number = number
        one.plan(body, trailers)
        head.clear()
        head.add(":method", "POST")
        head.add(":scheme", "http")
        head.add(":authority", "shop.example")
        head.add(":path", "/")
        head.add("x-number", Array(String(number).utf8).span)
        if session.request(one.stream, head, ended: one.hasEnded) { streams.append(one) }
    }

    func answer(_ one: TalkingStream, body: Int, trailers: Bool) {
        one.plan(body, trailers)
        head.clear()
        head.add(status: 200)
        session.respond(one.stream, head, ended: one.hasEnded)
    }

    /// `n` more bytes of what this stream has to say, and its end after the last.
    func speak(_ one: TalkingStream, _ n: Int) {
        guard one.hasSpoken, !one.hasEnded else { return }
        one.append(min(n, one.left))
        session.resume(one.stream)
    }

    /// Moves up to `most` bytes, in one piece. - Returns: whether there were any.
    func speak(to other: TalkingSide, most: Int) -> Bool {
        _ = session.write(into: output, upTo: most)
        let piece = output.copyReadable().prefix(most)
        output.consume(piece.count)
        guard !piece.isEmpty else { return false }
        if !other.session.receive(Array(piece).span, nowMS: other.nowMS) && !other.hasBeenLeft && wrong == nil { wrong = "the connection ended: \(other.session.endedFor?.label ?? "by the peer")" }
        if other.session.openStreams > 6 { wrong = "\(other.session.openStreams) streams are open" }
        return true
    }
}

/// One stream of `TwoSides`: its body is a pattern of stream, direction and place.
final class TalkingStream: HTTP2StreamHandler {
    private(set) var stream: HTTP2Stream!
    private unowned let side: TalkingSide
    var number = -1
    var isDisturbed = false
    private(set) var hasSpoken = false
    private(set) var hasEnded = false
    private(set) var saysTrailers = false
    private(set) var said = 0
    private(set) var left = 0
    private(set) var heard = 0
    private(set) var heardTrailers = false
    private(set) var closings = 0
    private(set) var closed: HTTP2Error?

    init(_ side: TalkingSide) {
        self.side = side
        stream = HTTP2Stream(handler: self, pool: side.pool)
    }

    func plan(_ body: Int, _ trailers: Bool) {
        hasSpoken = true
        left = body
        saysTrailers = trailers && body > 0
        hasEnded = body == 0
    }

    func append(_ n: Int) {
        stream.outbound.append((said..<said + n).map { pattern(side.role, $0) })
        said += n
        left -= n
        guard left == 0 else { return }
        hasEnded = true
        let lines = Buffer(capacity: 32)
        lines.append("X-End: yes\r\n" as StaticString)
        stream.end(trailers: saysTrailers ? lines : nil)
    }

    private func pattern(_ speaker: HTTP2Session.Role, _ place: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: number &* 31 &+ place &* 7 &+ place >> 8 &+ (speaker == .server ? 101 : 0))
    }

    // MARK: - Heard

    func headReceived(_ block: HTTP2Block, ended: Bool) {
        isAlive()
        guard block.status == 0, let field = block.fields.first else { return }
        number = block.text.withReadable { text in
            text.extracting(field.value.range).bytes.reduce(0) { $0 * 10 + Int($1) - 48 }
        }
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) {
        isAlive()
        let speaker: HTTP2Session.Role = side.role == .server ? .client : .server
        for i in 0..<bytes.count where bytes[i] != pattern(speaker, heard + i) { side.wrong = "a byte is not as it was sent" }
        heard += bytes.count
        if stream.unusedBytes > side.mostUnused { side.wrong = "a stream's window was not kept" }
    }

    func trailersReceived(_ block: HTTP2Block) {
        isAlive()
        heardTrailers = true
    }

    func inboundEnded() { isAlive() }
    func outboundDrained() { isAlive() }

    func streamClosed(_ error: HTTP2Error) {
        closings += 1
        closed = error
    }

    private func isAlive() { if closings > 0 { side.wrong = "a closed stream heard something" } }
}

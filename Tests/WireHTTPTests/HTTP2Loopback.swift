import Exchanges
import WireHTTP

/// One side of an HTTP/2 connection in memory: keeps what it hears.
final class HTTP2Side: HTTP2SessionHandler {
    private(set) var session: HTTP2Session!
    let pool = BufferPool()
    private(set) var streams: [RecordedStream] = []
    var refuses = false
    var goAway: HTTP2Error?
    var nowMS: UInt64 = 1

    init(_ role: HTTP2Session.Role, _ settings: HTTP2Settings = HTTP2Settings()) {
        session = HTTP2Session(role, settings: settings, handler: self, nowMS: 1)
    }

    /// Streams that are left keep each other alive until they have closed.
    deinit { session.abandon(.cancel) }

    func streamOpened() -> HTTP2Stream? {
        guard !refuses else { return nil }
        let one = make()
        one.stream.hold()
        return one.stream
    }

    func make() -> RecordedStream {
        let one = RecordedStream(pool: pool)
        streams.append(one)
        return one
    }

    func goAwayReceived(_ error: HTTP2Error) { goAway = error }
    func settingsReceived() {}

    /// Everything this side wants to send.
    func output() -> [UInt8] {
        let out = Buffer(capacity: 256)
        while session.write(into: out, upTo: 1 << 20) {}
        return out.copyReadable()
    }

    @discardableResult
    func input(_ bytes: [UInt8]) -> Bool { session.receive(bytes.span, nowMS: nowMS) }

    func request(_ path: String, method: String = "GET", lines: String = "", ended: Bool = true) -> RecordedStream {
        let one = make()
        let head = HTTP2FieldBlock()
        head.add(":method", Array(method.utf8).span)
        head.add(":scheme", "http")
        head.add(":authority", "shop.example")
        head.add(":path", Array(path.utf8).span)
        head.add(lines: { $0.append(lines) })
        _ = session.request(one.stream, head, ended: ended)
        return one
    }

    func respond(_ one: RecordedStream, _ status: UInt16 = 200, lines: String = "", body: String? = nil, trailers: String? = nil) {
        let head = HTTP2FieldBlock()
        head.add(status: status)
        head.add(lines: { $0.append(lines) })
        session.respond(one.stream, head, ended: body == nil)
        guard let body else { return }
        one.stream.outbound.append(body)
        var end: Buffer?
        if let trailers {
            let lines = Buffer(capacity: 64)
            lines.append(trailers)
            end = lines
        }
        one.stream.end(trailers: end)
        session.resume(one.stream)
    }
}

/// What one stream heard.
final class RecordedStream: HTTP2StreamHandler {
    private(set) var stream: HTTP2Stream!
    var head = Head()
    var headText = ""
    var fault: HTTP1Fault?
    var status: [UInt16] = []
    var lines = ""
    var body: [UInt8] = []
    var trailers: String?
    var ended = false
    var drained = 0
    var closed: HTTP2Error?

    init(pool: BufferPool) { stream = HTTP2Stream(handler: self, pool: pool) }

    func headReceived(_ block: HTTP2Block, ended: Bool) {
        lines = block.fields.map { field in
            block.text.withReadable { "\($0.extracting(field.nameText.range).text): \($0.extracting(field.value.range).text)\n" }
        }.joined()
        if block.status == 0 {
            fault = block.resolve(into: &head)
            headText = block.text.withReadable { $0.text }
        } else {
            status.append(block.status)
        }
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) { body += bytes.bytes }
    func trailersReceived(_ block: HTTP2Block) {
        trailers = block.fields.map { field in
            block.text.withReadable { "\($0.extracting(field.nameText.range).text): \($0.extracting(field.value.range).text)\n" }
        }.joined()
    }
    func inboundEnded() { ended = true }
    func outboundDrained() { drained += 1 }
    func streamClosed(_ error: HTTP2Error) { closed = error }
}

/// Two sides that talk until neither has anything to say.
struct HTTP2Loopback {
    let client: HTTP2Side
    let server: HTTP2Side

    init(server settings: HTTP2Settings = HTTP2Settings(), client own: HTTP2Settings = HTTP2Settings()) {
        client = HTTP2Side(.client, own)
        server = HTTP2Side(.server, settings)
        settle()
    }

    func settle() {
        while true {
            let up = client.output()
            if !up.isEmpty { server.input(up) }
            let down = server.output()
            if !down.isEmpty { client.input(down) }
            if up.isEmpty && down.isEmpty { return }
        }
    }
}

import Exchanges
public import WireHTTP

/// A field section of any content, read as a request and written as HTTP/1.1: whatever is accepted must be
/// read back as that one request, no more fields, no other path, no second request behind it.
public final class Conversion: HTTP2SessionHandler, HTTP2StreamHandler {
    private var session: HTTP2Session!
    private var stream: HTTP2Stream!
    private let pool = BufferPool()
    private var wrong: String?

    /// - Parameter choices: the section, either raw or drawn field by field.
    /// - Returns: what went wrong, or nil.
    public static func run(_ choices: Choices) -> String? {
        var choices = choices
        let section = choices.byte() < 32 ? choices.take(1 << 14) : drawn(&choices)
        let one = Conversion()
        _ = one.session.receive((Frames.preface + Frames.frame(1, 5, 1, section)).span, nowMS: 1)
        one.session.abandon(.cancel)
        return one.wrong
    }

    private init() {
        session = HTTP2Session(.server, settings: HTTP2Settings(), handler: self, nowMS: 1)
        stream = HTTP2Stream(handler: self, pool: pool)
    }

    public func streamOpened() -> HTTP2Stream? { stream }
    public func goAwayReceived(_ error: HTTP2Error) {}
    public func settingsReceived() {}
    public func dataReceived(_ bytes: borrowing Span<UInt8>) {}
    public func trailersReceived(_ block: HTTP2Block) {}
    public func inboundEnded() {}
    public func outboundDrained() {}

    public func streamClosed(_ error: HTTP2Error) { stream = HTTP2Stream(handler: self, pool: pool) }

    public func headReceived(_ block: HTTP2Block, ended: Bool) {
        guard !block.isTooLarge else { return }
        var head = Head()
        guard block.resolve(into: &head) == nil else { return }
        guard let path = block.text.withMutableReadable({ PathNormalForm.normalise(head.path, in: &$0) }) else { return }
        head.path = path
        wrong = compare(head, block.text.copyReadable())
    }

    // MARK: - There and back

    private func compare(_ head: Head, _ text: [UInt8]) -> String? {
        let line = forwarded(head, text.span)
        var parser = HTTP1RequestParser()
        var (again, framing, body) = (Head(), HTTP1Framing(), BodyFraming.none)
        let shown = String(decoding: line, as: UTF8.self).debugDescription
        let progress = parser.parse(line.span, into: &again, framing: &framing, body: &body, limits: Self.wide)
        // The gateway refuses these by itself, whatever they came by.
        if case .failed(.unknownExpectation) = progress { return nil }
        guard case .complete(let end) = progress else { return "not a request of HTTP/1.1: \(shown)" }
        guard end == line.count else { return "there is more than one request in it: \(shown)" }
        var normal = line
        var span = normal.mutableSpan
        guard let path = PathNormalForm.normalise(again.path, in: &span) else { return "a path is refused: \(shown)" }
        again.path = path
        func parts(_ head: Head, _ text: [UInt8]) -> [[UInt8]] {
            [head.method, head.path, head.query, head.authority].map { Array(text[$0.range]) }
                + head.fields.filter { $0.name != .host }.flatMap { [Array(text[$0.nameText.range]), Array(text[$0.value.range])] }
        }
        guard parts(head, text) == parts(again, normal) else { return "another request: \(shown)" }
        guard head.hasQuery == again.hasQuery, head.verb == again.verb else { return "another target: \(shown)" }
        return nil
    }

    /// What HTTP/2 allows in one field may be longer than a line of ours.
    private static let wide: HTTP1Limits = {
        var limits = HTTP1Limits()
        limits.line = 1 << 16
        limits.fieldLine = 1 << 16
        limits.head = 1 << 17
        return limits
    }()

    private func forwarded(_ head: Head, _ text: borrowing Span<UInt8>) -> [UInt8] {
        let out = Buffer(capacity: 256)
        out.append(head.method, of: text)
        out.append(0x20)
        out.append(head.path, of: text)
        if head.hasQuery {
            out.append(0x3f)
            out.append(head.query, of: text)
        }
        out.append(" HTTP/1.1\r\n" as StaticString)
        HTTP1Encoder.field("Host", text.extracting(head.authority.range), into: out)
        for field in head.fields where field.name != .host { HTTP1Encoder.field(field, of: text, into: out) }
        HTTP1Encoder.crlf(out)
        return out.copyReadable()
    }

    // MARK: - Drawn sections

    private static let names = [
        "host", "cookie", "content-length", "te", "transfer-encoding", "connection", "upgrade", "expect", "x", "x-forwarded-for",
        ":protocol", "X-Upper", "x y", "x:y", "x\r\ny", "", "keep-alive", "http2-settings", "x\u{0}", "range", "accept",
    ]
    private static let values = [
        "", "a", "0", "5", " a", "a ", "a\r\nx: y", "a\nb", "chunked", "trailers", "close", "shop", "a\u{0}b", "\t", "é", "a, b", "100-continue",
    ]
    private static let methods = ["GET", "POST", "get", "G T", "GET / HTTP/1.1\r\nx: y", "CONNECT", "OPTIONS", "", "PRI", "M-SEARCH"]
    private static let paths = [
        "/", "*", "/a/../b", "/a?b=c", "/%2e%2e/x", "/a b", "/a#b", "http://x/", "", "/a\r\n\r\nGET /b", "//x", "/%00", "/a?", "/%2541", "/..", "/a\\b", "/?\u{7f}",
    ]
    private static let authorities = ["shop", "shop:80", "a@b", "", "[::1]:8080", "a b", "shop\r\nx: y", "shop/", "a,b", "shop:99999", "%41"]
    private static let schemes = ["http", "https", "", "ftp", "HTTP", "http://x"]

    private static func drawn(_ choices: inout Choices) -> [UInt8] {
        var section = field(":method", text(methods, &choices))
        section += field(":scheme", text(schemes, &choices))
        section += field(":path", text(paths, &choices))
        if choices.below(4) > 0 { section += field(":authority", text(authorities, &choices)) }
        for _ in 0..<choices.below(6) { section += field(text(names, &choices), text(values, &choices)) }
        return section
    }

    /// Mostly the first of the list, at times another of it, at times with a byte changed or anything.
    private static func text(_ list: [String], _ choices: inout Choices) -> [UInt8] {
        let way = choices.byte()
        guard way < 240 else { return choices.take(Int(way & 15)) }
        var text = Array(list[way < 96 ? choices.below(2) % list.count : choices.below(list.count)].utf8)
        if way > 200, !text.isEmpty { text[choices.below(text.count)] = choices.byte() }
        return text
    }

    private static func field(_ name: String, _ value: [UInt8]) -> [UInt8] { field(Array(name.utf8), value) }

    /// A literal without indexing (RFC 7541 section 6.2.2).
    private static func field(_ name: [UInt8], _ value: [UInt8]) -> [UInt8] {
        [0x00, UInt8(min(name.count, 126))] + name.prefix(126) + [UInt8(min(value.count, 126))] + value.prefix(126)
    }
}

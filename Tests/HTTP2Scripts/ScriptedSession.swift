import Exchanges
public import WireHTTP

/// One side of a connection whose peer says anything whatever, while its own streams follow a script.
///
/// What must hold: no more streams are open than were allowed; each closes exactly once and hears nothing
/// after that; windows are kept; what is written is in proportion to what was read and said.
public final class ScriptedSession: HTTP2SessionHandler {
    let role: HTTP2Session.Role
    private(set) var session: HTTP2Session!
    let pool = BufferPool()
    let head = HTTP2FieldBlock()
    var script: Choices
    private let settings: HTTP2Settings
    private let output = Buffer(capacity: 256)
    private var streams: [ScriptedStream] = []
    private var wrong: String?
    private var nowMS: UInt64 = 1
    private var read = 0
    private var written = 0
    private var allowed = 4096

    /// - Parameter input: how many bytes of script, and whether the rest is bytes of the peer or choices of
    ///   frames; the script; the rest.
    /// - Returns: what went wrong, or nil.
    public static func run(_ role: HTTP2Session.Role, _ input: [UInt8]) -> String? {
        var choices = Choices(input)
        let first = choices.byte()
        let script = Choices(choices.take(Int(first & 0x3f) + 1), comesRound: true)
        let peer = first < 0x80 ? choices.take(input.count) : Frames.drawn(&choices, for: role)
        let one = ScriptedSession(role, script)
        one.run((role == .server ? Frames.preface : Frames.settings) + peer)
        return one.wrong
    }

    private init(_ role: HTTP2Session.Role, _ script: Choices) {
        self.role = role
        self.script = script
        var settings = HTTP2Settings()
        settings.maxConcurrentStreams = 4
        settings.streamWindow = 1 << 12
        settings.connectionWindow = 1 << 16
        settings.limits.head = 2048
        settings.limits.fieldLine = 512
        self.settings = settings
        session = HTTP2Session(role, settings: settings, handler: self, nowMS: nowMS)
    }

    /// Until the peer has acknowledged our settings, the initial window counts.
    var mostUnused: Int { max(65_535, Int(settings.streamWindow)) }

    func expect(_ holds: Bool, _ what: @autoclosure () -> String) {
        if !holds && wrong == nil { wrong = what() }
    }

    /// This side has said something that may take `bytes` on the wire.
    func allow(_ bytes: Int) { allowed += bytes }

    // MARK: - Heard

    public func streamOpened() -> HTTP2Stream? {
        guard script.below(16) != 15 else { return nil }
        let one = ScriptedStream(self)
        streams.append(one)
        one.stream.hold()
        return one.stream
    }

    public func goAwayReceived(_ error: HTTP2Error) {}
    public func settingsReceived() { expect(session.mostPeerStreams >= 0, "a negative number of streams") }

    // MARK: - Done

    private func run(_ bytes: [UInt8]) {
        var at = 0
        var goesOn = true
        if role == .client { for _ in 0..<3 { ask() } }
        while goesOn && at < bytes.count && wrong == nil {
            let end = min(bytes.count, at + 1 + script.size())
            goesOn = session.receive(bytes.span.extracting(at..<end), nowMS: nowMS)
            read += end - at
            at = end
            for _ in 0..<script.below(4) { act() }
            // Now and then the socket takes nothing.
            if script.below(8) > 0 { drain() }
            check()
        }
        drain()
        check()
        session.abandon(.cancel)
        expect(session.openStreams == 0, "streams are left after the connection's end")
        for one in streams { expect(one.closings == 1, "a stream never closed") }
    }

    private func act() {
        switch script.below(16) {
        case 0: nowMS += UInt64(script.byte())
        case 1:
            allow(32)
            session.ping()
        case 2 where script.below(8) == 0:
            allow(64)
            session.goAway(.noError, final: script.below(2) == 0)
        case 3 where script.below(32) == 0:
            allow(64)
            session.terminate(.enhanceYourCalm)
        case 4 where role == .client: ask()
        default: if let one = streams.last(where: { $0.closings == 0 && script.below(3) > 0 }) { one.act() }
        }
    }

    private func ask() {
        guard session.openStreams < 4 else { return }
        let one = ScriptedStream(self)
        one.hasBody = script.below(2) == 0
        head.clear()
        head.add(":method", one.hasBody ? "POST" : "GET")
        head.add(":scheme", "http")
        head.add(":authority", "shop.example")
        head.add(":path", "/")
        allow(96)
        if session.request(one.stream, head, ended: !one.hasBody) { streams.append(one) }
    }

    private func drain() {
        while true {
            let more = session.write(into: output, upTo: 1 + script.size())
            written += output.count
            output.clear()
            if !more { return }
        }
    }

    private func check() {
        expect(session.openStreams <= Int(settings.maxConcurrentStreams), "\(session.openStreams) streams are open")
        expect(written <= allowed + 4 * read, "\(written) bytes written for \(read) read and \(allowed) said")
    }
}

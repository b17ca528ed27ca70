import Exchanges
import WireHTTP

/// One stream whose owner does as the script says, inside the calls it hears and between them.
final class ScriptedStream: HTTP2StreamHandler {
    private(set) var stream: HTTP2Stream!
    private unowned let owner: ScriptedSession
    /// Of a server's stream: an answer with a body has begun. Of a client's: a request with one.
    var hasBody = false
    private var hasAnswered = false
    private var hasEnded = false
    private(set) var closings = 0
    private var finishes = 0
    /// A body that is filled whenever it has drained would never end.
    private var fills = 0

    init(_ owner: ScriptedSession) {
        self.owner = owner
        stream = HTTP2Stream(handler: self, pool: owner.pool)
    }

    // MARK: - Heard

    func headReceived(_ block: HTTP2Block, ended: Bool) {
        isAlive("a head")
        if block.status == 0 {
            var head = Head()
            _ = block.resolve(into: &head)
        }
        act()
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) {
        isAlive("data")
        owner.expect(stream.unusedBytes <= owner.mostUnused, "a stream's window was not kept")
        act()
    }

    func trailersReceived(_ block: HTTP2Block) {
        isAlive("trailers")
        act()
    }

    func inboundEnded() {
        isAlive("the end")
        act()
    }

    func outboundDrained() {
        isAlive("a drained body")
        act()
    }

    func outboundFinished() {
        isAlive("its own end")
        finishes += 1
        owner.expect(finishes == 1, "one message was finished twice")
    }

    func streamClosed(_ error: HTTP2Error) {
        closings += 1
        owner.expect(closings == 1, "a stream closed twice")
        owner.expect(stream.id == 0, "a closed stream has a number")
    }

    private func isAlive(_ what: String) { owner.expect(closings == 0, "a closed stream heard \(what)") }

    // MARK: - Done

    func act() {
        guard closings == 0, let session = owner.session else { return }
        switch owner.script.below(12) {
        case 1: answer(ended: true)
        case 2, 3:
            answer(ended: false)
            fill()
        case 4: fill()
        case 5: end(trailers: nil)
        case 6:
            let lines = Buffer(capacity: 64)
            lines.append("Grpc-Status: 0\r\n" as StaticString)
            end(trailers: lines)
        case 7:
            owner.allow(16)
            session.reset(stream, owner.script.below(2) == 0 ? .cancel : .internalError)
        case 8:
            owner.allow(32)
            session.consumed(stream, stream.unusedBytes)
        case 9:
            owner.allow(32)
            session.consumed(stream, owner.script.size())
        case 10:
            owner.allow(32)
            session.stored(stream, owner.script.size())
        case 11 where owner.role == .server && !hasAnswered:
            owner.allow(64)
            owner.head.clear()
            owner.head.add(status: 103)
            session.interim(stream, owner.head)
        default: break
        }
    }

    private func answer(ended: Bool) {
        guard owner.role == .server, !hasAnswered else { return }
        hasAnswered = true
        hasBody = !ended
        owner.allow(64)
        owner.head.clear()
        owner.head.add(status: 200)
        owner.session.respond(stream, owner.head, ended: ended)
    }

    private func fill() {
        guard hasBody, !hasEnded, fills < 32 else { return }
        fills += 1
        let bytes = [UInt8](repeating: 0x61, count: owner.script.size())
        // Smaller frames than these only follow smaller windows, which cost the peer as much.
        owner.allow(bytes.count + 16)
        stream.outbound.append(bytes)
        owner.session.resume(stream)
    }

    private func end(trailers: Buffer?) {
        guard hasBody, !hasEnded else { return }
        hasEnded = true
        owner.allow(64)
        stream.end(trailers: trailers)
        owner.session.resume(stream)
    }
}

import Exchanges
import Reactor
import WireHTTP

/// Bytes between the socket and the session. All that one turn of the loop has to say leaves together.
extension HTTP2Upstream {
    private static var readsPerTurn: Int { 16 }
    /// Bytes gathered for one write.
    private static var writeSize: Int { 64 * 1024 }
    /// Times a turn may flush before the others get theirs: a fast client and a fast endpoint could go on for ever.
    private static var flushesPerTurn: Int { 16 }

    /// Acts on a report from the loop.
    func move(_ report: Readiness) {
        let readiness = transport.translate(report)
        if readiness.contains(.peerClosed) || !readiness.isDisjoint(with: .failed) {
            peerClosed = true
            readable = true
        }
        if readiness.contains(.readable) { readable = true }
        if readiness.contains(.writable) && outputBlocked {
            outputBlocked = false
            mark()
        }
        if readable { read() } else if readiness.isEmpty { mark() }
    }

    private func read() {
        var reads = 0
        while state == .open && readable {
            if reads == Self.readsPerTurn {
                loop.again(self)
                break
            }
            reads += 1
            let buffer = worker.scratch
            buffer.reserve(1024)
            switch transport.receive(into: buffer) {
            case .moved:
                if transport.isDrained(buffer) && !peerClosed { readable = false }
                heardMS = loop.nowMS
                receives &+= 1
                let isSound = buffer.withReadable { session.receive($0, nowMS: loop.nowMS) }
                buffer.clear()
                if !isSound { return broken() }
            case .wouldBlock: readable = false
            case .ended, .failed:
                readable = false
                return lost(.terminated)
            }
        }
        settle()
        mark()
    }

    /// The session will hear no more: the peer broke the rules, or has ended the connection by GOAWAY
    /// and its last stream. Says why, if the socket takes it, and ends.
    private func broken() {
        retire()
        settle()
        flush()
        lost(.protocolError)
    }

    /// Something waits to be written: it leaves at the end of this turn.
    func mark() {
        guard !isMarked, state == .open else { return }
        isMarked = true
        loop.atEndOfTurn(self)
    }

    /// The end of a turn in which something was marked.
    func writeTurn() {
        isMarked = false
        guard state == .open else { return }
        if flushedNS != loop.nowNS {
            flushedNS = loop.nowNS
            flushes = 0
        }
        flushes += 1
        if flushes > Self.flushesPerTurn {
            loop.again(self)
            return
        }
        flush()
        guard state == .open else { return }
        settle()
        resumeBodies()
        // With streams left that is so only when the peer broke the rules.
        if session.isOver { lost(.protocolError) }
    }

    /// Writes until there is nothing left or the socket is full.
    func flush() {
        while !outputBlocked {
            // One buffer serves all connections; what the socket does not take moves to this one's own.
            let out = output.isEmpty ? worker.http2Spares.outgoing : output
            if out.isEmpty { _ = session.write(into: out, upTo: Self.writeSize) }
            if out.isEmpty { break }
            switch transport.send(out) {
            case .moved: writes &+= 1
            case .wouldBlock, .ended: outputBlocked = true
            case .failed:
                // What the endpoint said before it ended may still be there, a GOAWAY above all.
                out.clear()
                outputBlocked = true
                peerClosed = true
                readable = true
                loop.again(self)
                return
            }
            if out !== output && !out.isEmpty {
                out.withReadable { output.append($0) }
                out.clear()
            }
        }
        if output.isEmpty { output.giveBack() }
    }
}

extension HTTP2Upstream {
    /// Has nothing come that has not been read? Asked only where nobody else would notice an end: with
    /// streams in progress the connection is being watched by their progress.
    var isQuiet: Bool { state == .connecting || load > 0 || !readable && transport.isQuiet() }
}

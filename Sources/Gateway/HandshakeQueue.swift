import Reactor

/// Lets a worker's handshakes have their turn, and no more than that: one costs as much as twenty requests,
/// and a storm of them must not keep those that run from being served. Those with clients and those with
/// upstreams have each their own share, so that neither waits for the other.
final class HandshakeQueue: Source {
    /// Steps in one turn of the loop. A first step (key exchange, signature) takes about 150 µs.
    private static let stepsPerTurn = 4

    private let loop: EventLoop
    private var waiting: [Handshake] = []
    private var first = 0
    private var left = HandshakeQueue.stepsPerTurn
    private var upstreamLeft = HandshakeQueue.stepsPerTurn
    private var isAsked = false

    init(on loop: EventLoop) {
        self.loop = loop
        super.init()
        _ = loop.register(self, descriptor: nil)
    }

    /// Steps now, or in a later turn when this one has seen enough of them.
    func ask(_ handshake: Handshake) {
        guard !handshake.isQueued else { return }
        if left > 0 && first == waiting.count {
            left -= 1
            refillAtEndOfTurn()
            handshake.step()
        } else {
            handshake.isQueued = true
            waiting.append(handshake)
            refillAtEndOfTurn()
        }
    }

    /// May a handshake with an upstream make a step in this turn? Those that may not come again in the next.
    func takeUpstreamStep() -> Bool {
        refillAtEndOfTurn()
        guard upstreamLeft > 0 else { return false }
        upstreamLeft -= 1
        return true
    }

    private func refillAtEndOfTurn() {
        guard !isAsked else { return }
        isAsked = true
        loop.atEndOfTurn(self)
    }

    override func turnEnded() {
        isAsked = false
        left = Self.stepsPerTurn
        upstreamLeft = Self.stepsPerTurn
        if first < waiting.count { loop.again(self) }
    }

    /// The next turn: those who wait go before those who come.
    override func ready(_ readiness: Readiness) {
        while left > 0 && first < waiting.count {
            left -= 1
            let next = waiting[first]
            first += 1
            next.isQueued = false
            next.step()
        }
        if first == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            first = 0
        } else if first >= 1024 && first * 2 >= waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
        refillAtEndOfTurn()
    }
}

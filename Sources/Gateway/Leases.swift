import CShim
import Contracts
import Exchanges
import Identity
import Pipeline
import Reactor

/// Ends what runs on a credential that is none any more (SPEC A-6): once a second, while the worker has exchanges that a
/// token let in. Nothing is looked at while it has none.
///
/// What ends is what goes on: an answer that has begun, a tunnel, a gRPC stream, an MQTT connection. A request whose answer is on its way to
/// be made was admitted while its token was good, and gets it.
final class Leases: Source {
    private static let everyMS: UInt64 = 500

    private let worker: Worker
    private var isWatching = false
    /// The state of the revocations at the last look.
    private var revocations: UInt64

    init(_ worker: Worker) {
        self.worker = worker
        revocations = worker.shared.revocations.version
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    /// An exchange that a token let in is there.
    func watch() {
        guard !isWatching else { return }
        isWatching = true
        worker.loop.setDeadline(self, afterMS: Self.everyMS)
    }

    override func deadlinePassed() {
        let nowMS = UInt64(max(0, WallClock.nowNS())) / 1_000_000
        let version = worker.shared.revocations.version
        let haveChanged = version != revocations
        revocations = version
        var over: [(Ticket, CredentialFault)] = []
        var isNeeded = false
        for exchange in worker.exchanges {
            guard let principal = exchange.principal, principal.isFromToken else { continue }
            isNeeded = true
            if nowMS >= principal.expiresMS {
                over.append((exchange.ticket, .expired))
            } else if haveChanged, worker.shared.revocations.isRevoked(principal) {
                over.append((exchange.ticket, .revoked))
            }
        }
        for (ticket, fault) in over { worker.end(ticket, fault) }
        isWatching = isNeeded
        if isNeeded { worker.loop.setDeadline(self, afterMS: Self.everyMS) }
    }
}

extension Worker {
    /// The credential of this exchange is none any more.
    fileprivate func end(_ ticket: Ticket, _ fault: CredentialFault) {
        guard let exchange = exchange(ticket), let wire = exchange.wire else { return }
        if let connection = wire as? MQTTConnection {
            identification.tally.count(.ended)
            return connection.credentialEnded(fault)
        }
        guard let origin = exchange.origin else { return }
        if exchange.status != 0 {
            identification.tally.count(.ended)
            wire.abort(exchange, fault.outcome)
        } else if isStream(exchange) {
            identification.tally.count(.ended)
            exchange.origin = nil
            origin.cancel()
            wire.answer(fault.outcome, of: exchange)
        }
    }

    /// A call that has no answer yet, and may go on without one: all but those that are known to be unary.
    private func isStream(_ exchange: Exchange) -> Bool {
        guard exchange.rule.isGRPC, let text = exchange.text else { return false }
        let contracts = era(of: exchange).contracts
        let method = text.withReadable { contracts.schema?.method(path: $0.extracting(exchange.head.path.range)) }
        guard let call = method.map({ contracts.methods[$0] }) else { return true }
        return call.clientStreams || call.serverStreams
    }
}

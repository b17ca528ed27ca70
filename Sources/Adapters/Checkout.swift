public import EventCore
public import Exchanges
public import Sagas
public import Settings
import Synchronization

/// Places orders, takes cards for those that wait for one, and cancels: by asking the shop's services for prices,
/// one transaction that says what was ordered and starts its saga, and, for whoever waits, the saga's end.
///
/// Close it: it wakes up now and then to let go old cards until then.
public final class Checkout: CheckoutDesk {
    let settings: CheckoutSettings
    let log: EventLog
    let sagas: any SagaStarter
    let cards: CardVault
    let tokens: CardTokens
    let services: ShopServices
    private let claims = RepeatClaims()
    public let meters = OrderMeters()
    private let deliver: EventLog.Deliver
    private let underWay = Atomic<Int>(0)
    private let waiting = Atomic<Int>(0)
    private let sweeping: Task<Void, Never>
    private let following: UInt64

    /// - Parameters:
    ///   - cards: the vault that `payment.charge` takes the cards from.
    ///   - deliver: takes the replies for a worker, as the log's; it must not block.
    public init(
        _ settings: CheckoutSettings, log: EventLog, sagas: any SagaStarter, calls: any CallOut, cards: CardVault,
        tokens: CardTokens, deliver: @escaping EventLog.Deliver
    ) {
        self.settings = settings
        self.log = log
        self.sagas = sagas
        self.cards = cards
        self.tokens = tokens
        self.deliver = deliver
        services = ShopServices(settings, calls)
        following = log.feed.subscribe { [meters] committed in
            cards.follow(committed)
            meters.follow(committed)
        }
        sweeping = Task {
            while (try? await Task.sleep(for: .seconds(60))) != nil { cards.sweep() }
        }
    }

    /// Requests that are not accepted yet.
    public var depth: Int { underWay.load(ordering: .relaxed) }
    /// Requests that wait for their saga's end.
    public var waiters: Int { waiting.load(ordering: .relaxed) }

    public func close() {
        sweeping.cancel()
        log.feed.cancel(following)
    }

    public func take(_ request: CheckoutRequest, ticket: Ticket, _ circumstances: Circumstances) -> Bool {
        guard underWay.add(1, ordering: .relaxed).newValue <= settings.inFlight else {
            underWay.subtract(1, ordering: .relaxed)
            return false
        }
        Task {
            let reply = await answer(to: request, ticket, Wait(circumstances.patience), circumstances)
            underWay.subtract(1, ordering: .relaxed)
            deliver(ticket.worker, [reply])
        }
        return true
    }

    /// The saga's end; nil when nobody waits that long, or too many wait already. Who waits is accepted, so he takes no
    /// place from those who are not: while payment is out, façade callers wait for a minute each.
    func end(of saga: Identifier, _ wait: Wait) async -> SagaStatus? {
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard waiting.add(1, ordering: .relaxed).newValue <= settings.waiting else { return nil }
        underWay.subtract(1, ordering: .relaxed)
        defer { underWay.add(1, ordering: .relaxed) }
        return await sagas.ending(of: saga, withinMS: wait.milliseconds)
    }

    private func answer(
        to request: CheckoutRequest, _ ticket: Ticket, _ wait: Wait, _ circumstances: Circumstances
    ) async -> Reply {
        var claim: RepeatClaim?
        defer { claim?.release() }
        do throws(Refusal) {
            if let key = circumstances.repeatKey {
                let mine = try await claims.claim(key)
                claim = mine
                switch try await log.ask(.recall, repeatKey: key) {
                case .repeated(let accepted): mine.noteRepetition(of: accepted)
                // The other side of a flag has it.
                case .upstreamRepeated(let answer): return Reply(ticket: ticket, outcome: .upstreamRepeated(answer))
                case .underWay: return Reply(ticket: ticket, outcome: .underWay)
                default: break
                }
            }
            let outcome = try await outcome(of: request, wait, circumstances, claim)
            return Reply(ticket: ticket, outcome: outcome, isRepeated: claim?.isRepetition ?? false)
        } catch {
            return Reply(ticket: ticket, outcome: .refused(error))
        }
    }

    private func outcome(
        of request: CheckoutRequest, _ wait: Wait, _ circumstances: Circumstances, _ claim: RepeatClaim?
    ) async throws(Refusal) -> Reply.Outcome {
        let (metadata, access) = (circumstances.metadata, circumstances.access)
        switch request {
        case .place(let placement):
            // It will be the customer's, and has no state yet.
            try access?.check(owner: placement.user, state: nil)
            return try await place(placement, wait, metadata, claim)
        case .pay(let order, let card): return try await pay(order, card, wait, access, claim)
        case .cancel(let order, let reason, let expected):
            return try await cancel(order, reason, expected, wait, metadata, access, claim)
        }
    }
}

/// A client's patience, as of the moment its request came.
struct Wait: Sendable {
    let patience: Patience
    private let until: ContinuousClock.Instant?

    init(_ patience: Patience) {
        self.patience = patience
        until =
            switch patience {
            case .none: nil
            case .preferred(let milliseconds), .required(let milliseconds): .now + .milliseconds(Int64(milliseconds))
            }
    }

    /// For the end and nothing before it?
    var isRequired: Bool {
        if case .required = patience { true } else { false }
    }

    /// What is left of it; 0 = nothing.
    var milliseconds: UInt32 { remaining(atMost: .max) }

    /// For work of which nobody waits longer than `most`. A client that waits only for the acceptance, or would take
    /// it, gets it that much later.
    func workTime(atMost most: UInt32) -> UInt32 { isRequired ? remaining(atMost: most) : most }

    private func remaining(atMost most: UInt32) -> UInt32 {
        guard let until else { return 0 }
        let left = until - .now
        return left > .zero ? UInt32(min(Double(most), left / .milliseconds(1))) : 0
    }
}

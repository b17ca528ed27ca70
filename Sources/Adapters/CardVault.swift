import COpenSSL
public import EventCore
import Glibc
import Synchronization

/// The cards of orders that are not paid yet (SPEC 24): in memory, nowhere else, and no longer than needed.
///
/// A card leaves when its order is settled (paid, declined, failed, cancelled), when it is too old, or when the
/// process ends. What it was kept in is overwritten then; copies that were made while a call was under way are not.
public final class CardVault: Sendable {
    private struct State {
        var cards: [Identifier: (card: KeptCard, number: UInt64)] = [:]
        /// Oldest first; those whose card has gone or was replaced are passed over.
        var arrivals: [(order: Identifier, number: UInt64, at: UInt64)] = []
        var passed = 0
        var next: UInt64 = 0
    }

    private let state = Mutex(State())
    private let most: Int
    private let seconds: UInt64
    private let clock: @Sendable () -> UInt64

    /// - Parameter clock: seconds that never step back.
    public init(most: Int, seconds: UInt64, clock: @escaping @Sendable () -> UInt64 = CardVault.uptime) {
        self.most = max(1, most)
        self.seconds = seconds
        self.clock = clock
    }

    /// Seconds since the machine started.
    public static let uptime: @Sendable () -> UInt64 = {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec)
    }

    /// Cards held.
    public var count: Int { state.withLock { $0.cards.count } }
    /// Arrivals that are still known.
    var remembered: Int { state.withLock { $0.arrivals.count } }

    /// Keeps a card, in the place of the one the order had. False when there is no room: no other order loses its
    /// card for this one.
    public func put(_ card: CardDetails, for order: Identifier) -> Bool {
        let kept = KeptCard(card)
        let now = clock()
        return state.withLock { state in
            forgetOld(&state, now)
            guard state.cards[order] != nil || state.cards.count < most else { return false }
            state.next += 1
            state.cards[order] = (kept, state.next)
            state.arrivals.append((order, state.next, now))
            return true
        }
    }

    /// The order's card; nil when it never came, was lost with the process, or has gone.
    public func card(of order: Identifier) -> CardDetails? {
        let now = clock()
        return state.withLock { state in
            forgetOld(&state, now)
            return state.cards[order]?.card.details
        }
    }

    public func remove(_ order: Identifier) {
        state.withLock { state in
            state.cards[order] = nil
            tidy(&state)
        }
    }

    /// Lets go what is too old.
    public func sweep() {
        let now = clock()
        state.withLock { forgetOld(&$0, now) }
    }

    /// Lets go the cards of orders that a commit settles. From the log's thread.
    func follow(_ committed: Committed) {
        for batch in committed.batches where batch.aggregate.type == Order.type {
            if batch.events.contains(where: { CardVault.settling.contains($0.type) }) { remove(batch.aggregate.id) }
        }
    }

    private static let settling: Set<String> = ["PaymentCompleted", "PaymentFailed", "OrderFailed", "OrderCancelled"]

    private func forgetOld(_ state: inout State, _ now: UInt64) {
        while state.passed < state.arrivals.count, state.arrivals[state.passed].at + seconds <= now {
            let (order, number, _) = state.arrivals[state.passed]
            if state.cards[order]?.number == number { state.cards[order] = nil }
            state.passed += 1
        }
        tidy(&state)
    }

    /// Most cards leave long before they are old, so most arrivals are of no use any more.
    private func tidy(_ state: inout State) {
        guard state.arrivals.count > 2 * state.cards.count + 64 else { return }
        state.arrivals = state.arrivals[state.passed...].filter { state.cards[$0.order]?.number == $0.number }
        state.passed = 0
    }
}

/// A card in bytes of its own, which are overwritten when nobody needs it any more.
private final class KeptCard: Sendable {
    private let held: Mutex<CardDetails>

    init(_ card: CardDetails) {
        // Sharing the array's memory would mean overwriting a copy at the end.
        let number = card.number.withUnsafeBytes { [UInt8]($0) }
        held = Mutex(
            CardDetails(
                number: number, cvv: card.cvv, expirationYear: card.expirationYear, expirationMonth: card.expirationMonth))
    }

    var details: CardDetails { held.withLock { $0 } }

    deinit {
        held.withLock { card in
            card.number.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
            card.cvv = 0
            card.expirationYear = 0
            card.expirationMonth = 0
        }
    }
}

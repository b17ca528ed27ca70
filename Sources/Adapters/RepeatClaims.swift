import EventCore
import Exchanges
import Synchronization

/// Requests with an idempotency key that are not accepted yet: a second one with the same key waits for the first,
/// because what it would read meanwhile (a cart) may be about to change by it. That there is one order is not for
/// this to see to, but for the log, which commits a key once.
final class RepeatClaims: Sendable {
    private let held = Mutex<Set<RepeatKey.Digest>>([])

    /// As long as a repetition waits for the first to be accepted (SPEC I-3).
    private static let patience = Duration.seconds(2)

    /// The claim on a key, once nobody else has it.
    /// - Throws: when that takes longer than two seconds.
    func claim(_ key: RepeatKey) async throws(Refusal) -> RepeatClaim {
        let until = ContinuousClock.now + Self.patience
        var pause = Duration.milliseconds(2)
        while true {
            if held.withLock({ $0.insert(key.identity).inserted }) { return RepeatClaim(key, self) }
            guard .now < until else {
                throw Refusal(.requestInProgress, "the first request with this idempotency key is still under way", retryAfterMS: 1000)
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(50))
        }
    }

    fileprivate func release(_ key: RepeatKey) { held.withLock { _ = $0.remove(key.identity) } }
}

/// What one request with a key holds until it is accepted or refused.
final class RepeatClaim: Sendable {
    let key: RepeatKey
    private let claims: RepeatClaims
    private let isReleased = Atomic<Bool>(false)
    private let first = Mutex<Accepted?>(nil)

    fileprivate init(_ key: RepeatKey, _ claims: RepeatClaims) {
        self.key = key
        self.claims = claims
    }

    /// The first to call it gives the key free.
    func release() {
        if !isReleased.exchange(true, ordering: .relaxed) { claims.release(key) }
    }

    /// What the first request with the key came to, if this is another.
    var known: Accepted? { first.withLock { $0 } }
    /// Does the request repeat another, whose outcome it gets?
    var isRepetition: Bool { known != nil }
    func noteRepetition(of accepted: Accepted) { first.withLock { $0 = accepted } }
}

extension Checkout {
    /// Executes commands, all or none, and keeps what the first came to under the key, in one transaction.
    func execute(
        _ commands: [Command], _ metadata: Metadata, _ access: ObjectAccess?, _ claim: RepeatClaim?
    ) async throws(Refusal) -> [Accepted] {
        switch try await log.ask(.together(commands), metadata, access: access, repeatKey: claim?.key) {
        case .acceptedTogether(let accepted): return accepted
        // The claim keeps others away; this is one of another process, or on the other side of a flag.
        case .repeated, .upstreamRepeated, .underWay: throw Refusal(.requestInProgress, "the first request with this idempotency key has just ended", retryAfterMS: 1000)
        default: throw Refusal(.internalError, "the log has answered something else")
        }
    }
}

import Synchronization

/// What one worker's requests came to in `identify`. Written by that worker alone, with plain stores; read by whoever
/// shows metrics.
public final class IdentityTally: Sendable {
    public enum Event: Int, Sendable, CaseIterable {
        case user, service, session, anonymous
        /// A token was known, or had to be looked at.
        case cacheHit, cacheMiss
        /// An exchange had to wait for its issuer's keys.
        case waited
        /// A stream was ended because its credential was.
        case ended
    }

    // [0, 8) events | [8, 32) faults
    private let cells = InlineArray<32, Atomic<UInt64>> { _ in Atomic(0) }

    public init() {}

    @inline(__always) public func count(_ event: Event) { bump(event.rawValue) }
    public func count(_ fault: CredentialFault) { bump(Event.allCases.count + Int(fault.rawValue)) }

    public func read(_ event: Event) -> UInt64 { cells[event.rawValue].load(ordering: .relaxed) }
    public func read(_ fault: CredentialFault) -> UInt64 {
        cells[Event.allCases.count + Int(fault.rawValue)].load(ordering: .relaxed)
    }

    @inline(__always) private func bump(_ i: Int) {
        cells[i].store(cells[i].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }
}

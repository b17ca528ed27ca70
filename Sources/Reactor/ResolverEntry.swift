/// One name the resolver knows: its last answer, who waits for the next, who follows its changes.
/// Owned by the resolver's thread.
final class ResolverEntry {
    let name: String
    private(set) weak var loop: ResolverLoop?
    var isAsking = false
    /// Asked once, answered once.
    var waiting: [Resolver.Delivery] = []
    var watchers: [UInt64: Resolver.Delivery] = [:]
    /// Watchers that have not heard anything yet.
    var unanswered: [UInt64] = []
    private var addresses: [SocketAddress] = []
    private var failure: ResolveFailure?
    /// Until when the last answer is good, monotonic nanoseconds.
    private(set) var expires: UInt64 = 0
    /// Until when the addresses serve as a stop-gap.
    private var staleUntil: UInt64 = 0
    /// When a watched name is asked again.
    private(set) var nextAsk: UInt64 = 0
    private var failures: UInt64 = 0

    init(name: String, loop: ResolverLoop) {
        self.name = name
        self.loop = loop
    }

    /// Nobody would miss it.
    var isIdle: Bool { !isAsking && watchers.isEmpty && waiting.isEmpty }

    /// The last answer, if it still holds. A failure holds for a moment too, so that a name that does
    /// not exist cannot make a query a request.
    func fresh(_ now: UInt64) -> Resolution? {
        guard now < expires else { return nil }
        if let failure {
            return addresses.isEmpty || now >= staleUntil
                ? .failure(failure) : .addresses(addresses, secondsToLive: seconds(now), isStale: true)
        }
        return addresses.isEmpty ? nil : .addresses(addresses, secondsToLive: seconds(now), isStale: false)
    }

    private func seconds(_ now: UInt64) -> UInt32 { UInt32(clamping: (expires - now + 999_999_999) / 1_000_000_000) }

    func succeeded(_ found: [SocketAddress], ttl: UInt32, _ now: UInt64) {
        let changed = Set(found) != Set(addresses)
        addresses = found
        failure = nil
        failures = 0
        expires = now + UInt64(ttl) * 1_000_000_000
        nextAsk = now + UInt64(max(ttl, 1)) * 1_000_000_000
        staleUntil = .max
        deliver(.addresses(found, secondsToLive: ttl, isStale: false), toAllWatchers: changed)
    }

    func failed(_ why: ResolveFailure, _ now: UInt64, _ settings: ResolverSettings) {
        if failure == nil { staleUntil = now + UInt64(settings.staleSeconds) * 1_000_000_000 }
        failure = why
        failures += 1
        // 1, 2, 4 … seconds up to the longest time to live: a dead server is not hammered.
        let pause = min(UInt64(1) << min(failures - 1, 10), UInt64(max(settings.maximumTTL, 1)))
        expires = now + min(pause, UInt64(max(settings.minimumTTL, 1))) * 1_000_000_000
        nextAsk = now + pause * 1_000_000_000
        // "No such name" is an answer and replaces the last one; only a failure to get one is bridged (RFC 8767).
        if !addresses.isEmpty && now < staleUntil && (why == .serverFailed || why == .timedOut) {
            deliver(.addresses(addresses, secondsToLive: seconds(now), isStale: true), toAllWatchers: false)
        } else {
            let hadAddresses = !addresses.isEmpty && why != .stopped
            if hadAddresses { addresses = [] }
            deliver(.failure(why), toAllWatchers: hadAddresses)
        }
    }

    private func deliver(_ resolution: Resolution, toAllWatchers: Bool) {
        let asked = waiting
        let told = toAllWatchers ? Array(watchers.values) : unanswered.compactMap { watchers[$0] }
        waiting = []
        unanswered = []
        for deliver in asked { deliver(resolution) }
        for deliver in told { deliver(resolution) }
    }
}

public import Exchanges
import JOSE
public import Settings
import Synchronization

/// An issuer that is believed, with its keys as they are now. Made once and shared by all workers; a reload that
/// leaves its settings alone keeps it.
public final class Issuer: Sendable {
    /// Exchanges that wait for its keys at a time; others are answered at once.
    public static let mostWaiting = 1024
    /// Ids of keys that it is known not to have.
    public static let mostStrangers = 1024
    /// Between two fetches that requests bring about, milliseconds.
    public static let fetchIntervalMS: UInt64 = 30_000
    /// Bytes of a key set.
    public static let mostBytes = 256 << 10

    public let settings: IssuerSettings
    let name: [UInt8]
    let rules: ClaimRules
    let algorithms: AlgorithmSet
    let claims: ClaimNames

    private let state = Mutex(State())
    /// The number of the key set in force: what a cached verdict rests on. `.max` = it is believed no more.
    private let published = Atomic<UInt64>(0)

    private struct State {
        var keys: KeySet?
        /// What `keys` was read from.
        var text: [UInt8] = []
        /// Monotonic milliseconds: when `keys` was last seen to be good.
        var goodMS: UInt64 = 0
        /// When a request last brought a fetch about.
        var askedMS: UInt64?
        var dueMS: UInt64 = 0
        var isFetching = false
        /// In a row.
        var failures: UInt32 = 0
        var waiting: [Ticket] = []
        /// By the keyed hash of its id: until when it is believed not to exist.
        var strangers: [UInt64: UInt64] = [:]
        var figures = IssuerFigures()

        mutating func begin() {
            isFetching = true
            figures.fetches += 1
        }

        mutating func remember(_ keyID: UInt64, untilMS: UInt64) {
            if strangers.count >= Issuer.mostStrangers { strangers.removeAll(keepingCapacity: true) }
            strangers[keyID] = untilMS
        }
    }

    public init(_ settings: IssuerSettings) {
        self.settings = settings
        name = Array(settings.name.utf8)
        rules = ClaimRules(
            issuer: Array(settings.issuer.utf8), audiences: settings.audiences.map { Array($0.utf8) },
            leewayMS: Int64(settings.leeway), onlyAccessTokens: settings.type == .accessToken)
        claims = ClaimNames(settings)
        algorithms = AlgorithmSet(settings.algorithms.compactMap { Algorithm(name: $0) })
    }

    /// Are its keys fetched?
    var isRemote: Bool { if case .remote = settings.keys { true } else { false } }

    /// Of the key set in force.
    public var version: UInt64 { published.load(ordering: .acquiring) }

    /// The key set in force and its number; nil = there is none.
    func keys() -> (set: KeySet?, version: UInt64) { state.withLock { ($0.keys, version) } }

    /// Nothing that rests on its keys counts any more.
    func retire() { published.store(.max, ordering: .releasing) }

    /// Puts a key set in force.
    /// - Parameter text: what it was read from: the same again changes nothing.
    func adopt(_ keys: KeySet, text: [UInt8], nowMS: UInt64) {
        state.withLock { state in
            state.goodMS = nowMS
            state.figures.keys = keys.keys.count
            guard state.text != text || state.keys == nil else { return }
            state.keys = keys
            state.text = text
            state.strangers.removeAll()
            bump()
        }
    }

    /// Under the lock.
    private func bump() {
        let now = version
        if now != .max { published.store(now + 1, ordering: .releasing) }
    }

    // MARK: - Keys that are not there

    public enum Asked: Sendable, Equatable {
        /// The ticket is woken when more is known.
        case wait
        /// Another set has come meanwhile.
        case changed
        case no
    }

    /// A token's key is not in set `version`: may a new one be waited for?
    /// - Parameter begin: called if a fetch has to begin, once for all who wait, and at most every 30 s.
    public func ask(
        for keyID: UInt64, notIn version: UInt64, ticket: Ticket, nowMS: UInt64, begin: () -> Void
    ) -> Asked {
        guard isRemote else { return .no }
        var begins = false
        let asked: Asked = state.withLock { state in
            if self.version != version { return .changed }
            if let until = state.strangers[keyID] {
                if nowMS < until { return .no }
                state.strangers[keyID] = nil
            }
            if !state.isFetching {
                if let asked = state.askedMS, nowMS < asked + Self.fetchIntervalMS {
                    if state.keys != nil { state.remember(keyID, untilMS: nowMS + Self.fetchIntervalMS) }
                    return .no
                }
                state.askedMS = nowMS
                state.begin()
                begins = true
            }
            guard state.waiting.count < Self.mostWaiting else { return .no }
            state.waiting.append(ticket)
            return .wait
        }
        if begins { begin() }
        return asked
    }

    /// Is a fetch due? Then it counts as begun.
    func beginsIfDue(_ nowMS: UInt64) -> Bool {
        guard case .remote(let remote) = settings.keys else { return false }
        return state.withLock { state in
            // Keys that nobody has confirmed for so long are believed no more.
            if state.keys != nil, nowMS > state.goodMS + UInt64(remote.refresh) + UInt64(remote.stale) {
                state.keys = nil
                state.text = []
                state.figures.keys = 0
                bump()
            }
            guard !state.isFetching, nowMS >= state.dueMS else { return false }
            state.begin()
            return true
        }
    }

    /// A fetch is over.
    /// - Parameters:
    ///   - jitter: 0..<1, so that not all gateways ask at the same moment.
    ///   - Returns: who has waited for it; whether it is the first failure or the first success after one.
    func fetched(_ result: Result<(KeySet, [UInt8]), FetchFault>, nowMS: UInt64, jitter: Double) -> (waiting: [Ticket], isNews: Bool) {
        guard case .remote(let remote) = settings.keys else { return ([], false) }
        if case .success(let (keys, text)) = result { adopt(keys, text: text, nowMS: nowMS) }
        return state.withLock { state in
            state.isFetching = false
            let hadFailed = state.failures > 0
            switch result {
            case .success:
                state.failures = 0
                state.dueMS = nowMS + UInt64(Double(remote.refresh) * (0.9 + 0.1 * jitter))
            case .failure(let fault):
                state.failures &+= 1
                state.figures.failures[Int(fault.rawValue)] += 1
                // Without any keys nobody gets in: asked again soon. With the old ones there is time.
                let wait = state.keys == nil ? min(UInt64(500) << UInt64(min(state.failures, 6)), Self.fetchIntervalMS) : Self.fetchIntervalMS
                state.dueMS = nowMS + UInt64(Double(wait) * (0.9 + 0.1 * jitter))
            }
            defer { state.waiting.removeAll() }
            return (state.waiting, hadFailed != (state.failures > 0))
        }
    }

    func figures(nowMS: UInt64) -> IssuerFigures {
        state.withLock { state in
            var figures = state.figures
            figures.name = settings.name
            figures.ageMS = state.keys == nil ? nil : nowMS - min(nowMS, state.goodMS)
            return figures
        }
    }
}

/// What metrics show of an issuer.
public struct IssuerFigures: Sendable {
    public var name = ""
    public var keys = 0
    /// Since its keys were last seen to be good; nil = there are none.
    public var ageMS: UInt64?
    public var fetches: UInt64 = 0
    /// By the number of the fault.
    public var failures = [UInt64](repeating: 0, count: FetchFault.allCases.count)
}

/// Why a fetched key set is of no use.
public enum FetchFault: UInt8, Error, Sendable, CaseIterable {
    case unreachable, wrongStatus, tooLarge, unreadable, empty

    public var label: StaticString {
        switch self {
        case .unreachable: "unreachable"
        case .wrongStatus: "wrong_status"
        case .tooLarge: "too_large"
        case .unreadable: "unreadable"
        case .empty: "empty"
        }
    }
}

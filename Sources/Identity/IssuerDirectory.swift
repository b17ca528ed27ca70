public import Exchanges
import JOSE
import Settings
import Synchronization

/// The issuers of the configuration in force, and the fetching of their keys. Lives as long as the process: a reload
/// that leaves an issuer's settings alone keeps its keys.
public final class IssuerDirectory: Sendable {
    /// What came of a fetch, where that is news.
    public struct Note: Sendable {
        public let issuer: String
        /// Nil = its keys can be had again.
        public let fault: FetchFault?
    }

    private let calls: any CallOut
    private let clock: @Sendable () -> UInt64
    private let wake: @Sendable (Ticket) -> Void
    private let note: @Sendable (Note) -> Void
    private let issuers = Mutex<[Issuer]>([])
    private let ticking = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - clock: monotonic milliseconds.
    ///   - wake: tells a worker that what an exchange waits for is there, or will not come.
    public init(
        calls: any CallOut, clock: @escaping @Sendable () -> UInt64, wake: @escaping @Sendable (Ticket) -> Void,
        note: @escaping @Sendable (Note) -> Void = { _ in }
    ) {
        self.calls = calls
        self.clock = clock
        self.wake = wake
        self.note = note
    }

    /// Puts these issuers in force: keeps those that are known, forgets all others. Fetches begin with `begin`.
    public func adopt(_ definitions: [IssuerDefinition]) {
        let nowMS = clock()
        issuers.withLock { known in
            let kept = definitions.map { definition in
                let issuer = known.first { $0.settings == definition.settings && $0.version != .max } ?? Issuer(definition.settings)
                if let keys = definition.keys { issuer.adopt(keys, text: definition.text, nowMS: nowMS) }
                return issuer
            }
            for issuer in known where !kept.contains(where: { $0 === issuer }) { issuer.retire() }
            known = kept
        }
    }

    /// Those of a configuration, in its order; of one that is no longer in force, what is left of it.
    public func issuers(of definitions: [IssuerDefinition]) -> [Issuer] {
        issuers.withLock { known in
            definitions.map { definition in
                if let issuer = known.first(where: { $0.settings == definition.settings }) { return issuer }
                let gone = Issuer(definition.settings)
                gone.retire()
                return gone
            }
        }
    }

    // MARK: - Fetching

    /// Calls can be made now: fetches what is due, and goes on doing so while any issuer publishes its keys.
    public func begin() {
        tick()
        guard issuers.withLock({ $0.contains(where: \.isRemote) }) else { return }
        ticking.withLock { task in
            guard task == nil else { return }
            task = Task.detached { [weak self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(250))
                    guard let self else { return }
                    self.tick()
                }
            }
        }
    }

    /// Begins what is due.
    func tick() {
        let nowMS = clock()
        for issuer in issuers.withLock({ $0 }) where issuer.beginsIfDue(nowMS) { begin(issuer) }
    }

    /// A key that a token needs and its issuer's set does not have.
    public struct Asking: Sendable {
        public let issuer: Issuer
        /// A hash of the key's id; 0 = any key at all.
        let keyID: UInt64
        /// The number of the set.
        let keys: UInt64
        /// What the token comes to if none can be waited for.
        public let fault: CredentialFault

        public init(issuer: Issuer, keyID: UInt64, keys: UInt64, fault: CredentialFault) {
            self.issuer = issuer
            self.keyID = keyID
            self.keys = keys
            self.fault = fault
        }
    }

    /// May a newer set be waited for?
    public func ask(_ asking: Asking, ticket: Ticket) -> Issuer.Asked {
        asking.issuer.ask(for: asking.keyID, notIn: asking.keys, ticket: ticket, nowMS: clock()) { begin(asking.issuer) }
    }

    private func begin(_ issuer: Issuer) {
        Task.detached { await self.fetch(issuer) }
    }

    /// One fetch that has been counted as begun.
    func fetch(_ issuer: Issuer) async {
        guard case .remote(let remote) = issuer.settings.keys else { return }
        var call = OutboundCall(
            cluster: remote.cluster, form: .http(verb: "GET", path: remote.path, contentType: ""), timeoutMS: remote.timeout)
        call.fields = [("accept", "application/jwk-set+json, application/json")]
        let result = Self.keySet(await calls.call(call))
        let (waiting, isNews) = issuer.fetched(result, nowMS: clock(), jitter: Double.random(in: 0..<1))
        for ticket in waiting { wake(ticket) }
        guard isNews else { return }
        var fault: FetchFault?
        if case .failure(let why) = result { fault = why }
        note(Note(issuer: issuer.settings.name, fault: fault))
    }

    private static func keySet(_ answer: OutboundAnswer) -> Result<(KeySet, [UInt8]), FetchFault> {
        switch answer {
        case .failed: return .failure(.unreachable)
        case .answered(let status, _, let body):
            guard status == 200 else { return .failure(.wrongStatus) }
            guard body.count <= Issuer.mostBytes else { return .failure(.tooLarge) }
            guard let keys = try? KeySet(body.span) else { return .failure(.unreadable) }
            guard !keys.keys.isEmpty else { return .failure(.empty) }
            return .success((keys, body))
        }
    }

    public func figures() -> [IssuerFigures] {
        let nowMS = clock()
        return issuers.withLock { $0 }.map { $0.figures(nowMS: nowMS) }
    }
}

public import Exchanges
import Synchronization

/// Credentials that are no longer believed although they have not expired: single tokens by `jti`, and all tokens of a
/// subject that were issued before some moment. Shared by all workers; kept in a file where one is given.
public final class Revocations: Sendable {
    /// One that was revoked.
    public struct Entry: Sendable, Equatable {
        public enum Whose: UInt8, Sendable { case token, subject }

        /// What it is called when it is taken back: 16 hexadecimal digits.
        public var id: String
        public var whose: Whose
        /// Of the token or the subject: `jti` or `sub`.
        public var name: String
        /// The issuer's name in the configuration; empty = any.
        public var issuer: String
        /// Wall clock milliseconds: tokens issued before are meant; `.max` for a single token.
        public var beforeMS: UInt64
        /// From when on the tokens it speaks of have expired anyway.
        public var untilMS: UInt64

        public init(id: String, whose: Whose, name: String, issuer: String, beforeMS: UInt64, untilMS: UInt64) {
            self.id = id
            self.whose = whose
            self.name = name
            self.issuer = issuer
            self.beforeMS = beforeMS
            self.untilMS = untilMS
        }
    }

    public enum Fault: Error, Sendable { case full, notWritten }

    /// Entries that have not expired.
    public static let most = 100_000

    private struct Key: Hashable {
        var whose: Entry.Whose
        var issuer: [UInt8]
        var name: [UInt8]

        init(_ whose: Entry.Whose, _ issuer: [UInt8], _ name: [UInt8]) {
            self.whose = whose
            self.issuer = issuer
            self.name = name
        }

        init(_ entry: Entry) { self.init(entry.whose, Array(entry.issuer.utf8), Array(entry.name.utf8)) }
    }

    /// What counts. Workers look at it between two requests: nobody writes to a disk while he holds it.
    private let state: Mutex<[Key: Entry]>
    /// Held through a whole change, so that the file and `state` say the same.
    private let journal: Mutex<RevocationJournal?>
    private let changes = Atomic<UInt64>(1)
    /// Of the configuration in force.
    private let issuers = Mutex<[String]>([])

    /// In memory only.
    public init() {
        state = Mutex([:])
        journal = Mutex(nil)
    }

    /// Kept in the file at `path`, and read from it.
    public init(path: String, nowMS: UInt64) throws {
        let (journal, entries) = try RevocationJournal.open(path: path, nowMS: nowMS)
        state = Mutex(Dictionary(entries.map { (Key($0), $0) }, uniquingKeysWith: { $1 }))
        self.journal = Mutex(journal)
    }

    /// These issuers are believed from now on.
    public func adopt(issuers names: [String]) { issuers.withLock { $0 = names } }

    /// Is there an issuer of this name? What is revoked of another would be revoked for nobody.
    public func knows(issuer name: String) -> Bool { issuers.withLock { $0.contains(name) } }

    /// Grows with each change: who has looked at this number need not look again.
    public var version: UInt64 { changes.load(ordering: .acquiring) }

    /// Is this principal's token revoked?
    public func isRevoked(_ principal: Principal) -> Bool {
        guard principal.isFromToken else { return false }
        return state.withLock { entries in
            guard !entries.isEmpty else { return false }
            func entry(_ whose: Entry.Whose, _ name: [UInt8]) -> Bool {
                guard !name.isEmpty else { return false }
                for issuer in [principal.issuer, []] {
                    if let entry = entries[Key(whose, issuer, name)], principal.issuedMS < entry.beforeMS { return true }
                }
                return false
            }
            return entry(.token, principal.tokenID) || entry(.subject, principal.subject)
        }
    }

    /// Adds one, or replaces the one that speaks of the same. It counts once this has returned.
    /// - Returns: what counts now: no earlier one about the same is weakened.
    @discardableResult
    public func add(_ entry: Entry, nowMS: UInt64) throws(Fault) -> Entry {
        let result: Result<Entry, Fault> = journal.withLock { journal in
            let key = Key(entry)
            let (old, count) = state.withLock { entries in
                if entries[key] == nil, entries.count >= Self.most { entries = entries.filter { nowMS < $0.value.untilMS } }
                return (entries[key], entries.count)
            }
            if old == nil, count >= Self.most { return .failure(.full) }
            var kept = entry
            // A later one must not make believable again what an earlier one took away.
            if let old {
                kept.id = old.id
                kept.beforeMS = max(kept.beforeMS, old.beforeMS)
                kept.untilMS = max(kept.untilMS, old.untilMS)
            }
            guard journal?.add(kept, among: count, { state.withLock { Array($0.values) } }) ?? true else { return .failure(.notWritten) }
            put(kept, at: key)
            return .success(kept)
        }
        return try result.get()
    }

    /// Takes one back: what it spoke of is believed again.
    /// - Returns: false = there is none with this id.
    public func remove(id: String) throws(Fault) -> Bool {
        let result: Result<Bool, Fault> = journal.withLock { journal in
            guard let (key, entry) = state.withLock({ $0.first { $0.value.id == id } }) else { return .success(false) }
            guard journal?.remove(entry) ?? true else { return .failure(.notWritten) }
            put(nil, at: key)
            return .success(true)
        }
        return try result.get()
    }

    private func put(_ entry: Entry?, at key: Key) {
        state.withLock { $0[key] = entry }
        changes.add(1, ordering: .releasing)
    }

    /// Those that have not expired, in the order of their ids, after the one with the id `after`.
    public func list(after: String, most: Int, nowMS: UInt64) -> [Entry] {
        let all = state.withLock { $0 }.values.filter { nowMS < $0.untilMS && $0.id > after }
        return Array(all.sorted { $0.id < $1.id }.prefix(most))
    }

    public var count: Int { state.withLock { $0.count } }
}

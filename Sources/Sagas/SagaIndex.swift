import EventCore
import Synchronization

/// The index of open sagas, a row each: derived from the log, so that neither a start nor a list has to read all of
/// it. Written behind, a few times a second; what it lacks is read from the log at the next start.
final class SagaIndex: Sendable {
    static let name = "sagas"
    private static let page = 1000
    private static let pauseMS: UInt64 = 100
    private static let pauseAfterFailureMS: UInt64 = 1000
    /// Sagas whose rows wait to be written; beyond, the index stays as it is until the next start.
    private static let mostChanged = 200_000

    private struct State {
        /// Of the last event that `changed` knows of.
        var position: UInt64 = 0
        /// Nil = over.
        var changed: [Identifier: OpenSaga?] = [:]
        /// Rows were lost: a later checkpoint would say that they were written.
        var isGivenUp = false
    }

    private let store: any ConsumerStore
    private let events: any EventStore
    private let clock: any SagaClock
    private let meters: SagaMeters
    private let state = Mutex(State())
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(store: any ConsumerStore, events: any EventStore, clock: any SagaClock, meters: SagaMeters) {
        self.store = store
        self.events = events
        self.clock = clock
        self.meters = meters
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: - Reading

    /// Open sagas by the index and what the log has had since.
    /// - Returns: also those of which there are events but no row; and the position of the last event read.
    func recover(
        through head: UInt64
    ) throws(StoreError) -> (sagas: [Identifier: OpenSaga], others: Set<Identifier>, position: UInt64) {
        var sagas: [Identifier: OpenSaga] = [:]
        var others: Set<Identifier> = []
        var position = try store.checkpoint(of: SagaIndex.name)
        // Of another log, or of this one before it was restored from an older copy: it says nothing.
        if position > head {
            position = 0
        } else {
            var after: String?
            while true {
                let rows = try store.rows(of: SagaIndex.name, after: after, limit: SagaIndex.page)
                for row in rows {
                    guard let id = Identifier(row.key) else { continue }
                    if let saga = OpenSaga(row: row.value) { sagas[id] = saga } else { others.insert(id) }
                }
                guard rows.count == SagaIndex.page, let last = rows.last else { break }
                after = last.key
            }
        }
        while position < head {
            let page = try events.read(after: position, limit: SagaIndex.page)
            guard let last = page.last else { break }
            for stored in page where stored.aggregate.type == Saga.type {
                guard let event = SagaEvent(stored.event) else { continue }
                if !SagaIndex.fold(stored, event, &sagas) { others.insert(stored.aggregate.id) }
                note(stored, sagas[stored.aggregate.id])
            }
            position = last.position
        }
        advance(to: position)
        return (sagas, others.subtracting(sagas.keys), position)
    }

    /// Sagas' events after a position, up to another.
    func read(after position: UInt64, through: UInt64) throws(StoreError) -> (events: [StoredEvent], position: UInt64) {
        let page = try events.read(after: position, limit: SagaIndex.page).filter { $0.position <= through }
        return (page.filter { $0.aggregate.type == Saga.type }, page.last?.position ?? through)
    }

    func events(_ type: String, from: Timestamp, until: Timestamp, limit: Int) throws(StoreError) -> [StoredEvent] {
        try events.read(type: type, from: from, until: until, limit: limit)
    }

    /// Adds an event to what is known. False when nothing is known of its saga.
    static func fold(_ stored: StoredEvent, _ event: SagaEvent, _ sagas: inout [Identifier: OpenSaga]) -> Bool {
        let id = stored.aggregate.id
        if let started = OpenSaga(stored, event) {
            if sagas[id] == nil { sagas[id] = started }
            return true
        }
        guard let known = sagas[id] else { return event == .completed || event.isCompensated }
        guard stored.version > known.version else { return true }
        if event == .completed || event.isCompensated {
            sagas[id] = nil
        } else {
            sagas[id]?.apply(stored, event)
        }
        return true
    }

    // MARK: - Writing

    func note(_ stored: StoredEvent, _ saga: OpenSaga?) {
        state.withLock { state in
            state.position = max(state.position, stored.position)
            guard !state.isGivenUp else { return }
            state.changed[stored.aggregate.id] = .some(saga)
            guard state.changed.count > SagaIndex.mostChanged else { return }
            state.changed = [:]
            state.isGivenUp = true
        }
    }

    /// There is nothing of sagas up to here that is not noted.
    func advance(to position: UInt64) {
        state.withLock { $0.position = max($0.position, position) }
        wake.yield()
    }

    func keepWriting() async {
        for await _ in wakes {
            let isWritten = flush()
            if !isWritten { wake.yield() }
            await clock.sleep(milliseconds: isWritten ? SagaIndex.pauseMS : SagaIndex.pauseAfterFailureMS)
            if Task.isCancelled { return }
        }
    }

    /// False when the store could not be written; nothing is lost then.
    @discardableResult func flush() -> Bool {
        let (position, changed) = state.withLock { state in
            defer { state.changed = [:] }
            return (state.position, state.changed)
        }
        guard !changed.isEmpty else { return true }
        let rows = changed.map { id, saga -> RowChange in
            let key = id.description
            return saga.map { .put(ConsumerRow(key: key, value: $0.row)) } ?? .delete(key: key)
        }
        do throws(StoreError) {
            try store.commit(SagaIndex.name, through: position, rows)
            return true
        } catch {
            meters.failedIndexWrite()
            state.withLock { state in
                if !state.isGivenUp { state.changed.merge(changed) { newer, _ in newer } }
            }
            return false
        }
    }
}

extension SagaEvent {
    var isCompensated: Bool { if case .compensated = self { true } else { false } }
}

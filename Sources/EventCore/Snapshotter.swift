import Glibc
import Synchronization
import Threads

/// Writes snapshots beside the log, on a thread of its own: what it is handed is a value, so turning it into
/// text and keeping it holds up no command.
final class Snapshotter: Sendable {
    struct Order: Sendable {
        var name: AggregateName
        var aggregate: AnyAggregate
        var lastEvent: EventId
        var taken: Timestamp
    }

    private struct State {
        var waiting: [Order] = []
        var closed = false
    }

    /// Aggregates that may wait; their states stay in memory until they are written.
    private static let most = 64
    /// Bytes of one snapshot; a larger state is replayed.
    static let largest = 16 << 20

    private let store: any SnapshotStore
    private let meters: LogMeters
    private let state = Mutex(State())
    private let bell = Bell()
    private let thread = Mutex<NamedThread?>(nil)

    init(store: any SnapshotStore, meters: LogMeters) {
        self.store = store
        self.meters = meters
    }

    func start() {
        let started = NamedThread.required(name: "snapshots") { [self] in
            while true {
                bell.wait()
                let (orders, closed) = state.withLock { state in
                    defer { state.waiting = [] }
                    return (state.waiting, state.closed)
                }
                // One transaction each: the states together may be large.
                for order in orders { write(order) }
                if closed { return }
            }
        }
        thread.withLock { $0 = started }
    }

    /// False when too many wait: then the aggregate is offered again after its next event.
    func offer(_ order: Order) -> Bool {
        let taken = state.withLock { state in
            guard state.waiting.count < Snapshotter.most && !state.closed else { return false }
            state.waiting.append(order)
            return true
        }
        if taken { bell.ring() }
        return taken
    }

    /// Writes what waits, then ends the thread.
    func close() {
        state.withLock { $0.closed = true }
        bell.ring()
        thread.withLock { $0.take() }?.join()
    }

    private func write(_ order: Order) {
        guard let (form, state) = order.aggregate.snapshot() else { return }
        var written = false
        if state.count <= Snapshotter.largest {
            let snapshot = Snapshot(
                aggregate: order.name.key, version: order.aggregate.version, lastEvent: order.lastEvent, form: form,
                taken: order.taken, state: state)
            do throws(StoreError) {
                try store.keep([snapshot])
                written = true
            } catch {}
        }
        meters.update { figures in
            if written { figures.snapshotsWritten += 1 } else { figures.snapshotsFailed += 1 }
        }
    }
}

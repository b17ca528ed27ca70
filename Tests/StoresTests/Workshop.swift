import EventCore
import Glibc
import Stores
import Testing

/// A directory of its own for each test, removed afterwards.
final class Workshop {
    let directory: String

    init(named name: String = "store") throws {
        var template = Array("/tmp/nexus-\(name)-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
    }

    deinit {
        for name in ["events.db", "events.db-wal", "events.db-shm", "events.db.lock", "events.db.snapshots", "events.db.snapshots-wal", "events.db.snapshots-shm", "readable.db"] {
            unlink(directory + "/" + name)
        }
        rmdir(directory)
    }

    var path: String { directory + "/events.db" }

    var snapshotsPath: String { SQLiteSnapshotStore.path(ofEvents: path) }

    func openSnapshots() throws -> SQLiteSnapshotStore { try SQLiteSnapshotStore(path: snapshotsPath) }

    func open(_ options: SQLiteEventStore.Options = .init()) throws -> SQLiteEventStore {
        try patiently { () throws(StoreError) in try SQLiteEventStore(path: path, options: options) }
    }
}

/// Opens, and again while it is locked: a process that another test starts at this moment holds our files, and so their
/// locks, until it becomes itself.
func patiently<Store>(_ open: () throws(StoreError) -> Store) throws(StoreError) -> Store {
    for _ in 0..<6000 {
        do throws(StoreError) {
            return try open()
        } catch {
            guard case .locked = error else { throw error }
            usleep(10_000)
        }
    }
    return try open()
}

/// Why it does not open, apart from such locks.
func refusal<Store>(_ open: () throws(StoreError) -> Store) -> StoreError? {
    storeError { () throws(StoreError) in _ = try patiently(open) }
}

func key(_ id: String, type: String = "Cart") throws -> AggregateKey {
    AggregateKey(type: type, id: try #require(Identifier(id)))
}

/// Makes events that differ.
struct Events {
    private var ids = EventIdSource()
    private var count: Int64 = 0

    mutating func next(_ type: String = "ItemAdded", payload: String? = nil) -> Event {
        count += 1
        return Event(
            id: ids.next(at: Timestamp.now().microseconds), type: type, timestamp: Timestamp(microseconds: 1_000 * count),
            payload: Array((payload ?? "{\"n\":\(count)}").utf8),
            metadata: Metadata(
                correlationId: "correlation", causationId: nil, userId: "user", source: "test",
                traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    }

    mutating func batch(_ key: AggregateKey, _ expected: ExpectedVersion = .any, count: Int = 1) -> Batch {
        Batch(key, expected: expected, events: (0..<count).map { _ in next() })
    }
}

/// The error of `body`, nil when it throws none.
func storeError(_ body: () throws(StoreError) -> Void) -> StoreError? {
    do throws(StoreError) {
        try body()
        return nil
    } catch {
        return error
    }
}

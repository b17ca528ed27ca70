public import EventCore
import Synchronization

/// The embedded event store (SPEC 13): one SQLite file, a write-ahead log, one fsync an append.
///
/// One process writes to a file at a time; the second gets `locked`. Reads use connections of their
/// own and see what is committed.
public final class SQLiteEventStore: EventStore {
    public struct Options: Sendable {
        /// Bytes the database file may take (the WAL, of up to about 64 MiB more, not counted). An append
        /// beyond that is refused with `full`.
        public var mostBytes: Int
        /// A database up to this size is looked over completely when it is opened.
        public var checkUpToBytes: Int

        public init(mostBytes: Int = .max, checkUpToBytes: Int = 256 << 20) {
            self.mostBytes = mostBytes
            self.checkUpToBytes = checkUpToBytes
        }
    }

    private enum Side {
        case open(SQLiteWriter)
        /// After a failure of the disk, until it can be read again.
        case broken
        case closed
    }

    private let path: String
    private let side: Mutex<Side>
    /// Held for its lock on the files.
    private let files: Mutex<StoreFiles?>
    private let readers: ReaderPool
    private let checkpointer: Checkpointer
    private let quota: Atomic<Int>

    /// Opens the store, making it (and its directories) when it is not there.
    public init(path: String, options: Options = Options()) throws(StoreError) {
        let files = try StoreFiles(path: path)
        try WALCheck.check(database: path)
        let writer = try SQLiteWriter(path: path)
        try writer.check(all: files.bytes <= options.checkUpToBytes)
        try files.syncDirectory()
        self.path = path
        self.files = Mutex(files)
        side = Mutex(.open(writer))
        readers = ReaderPool(path: path)
        checkpointer = Checkpointer(path: path)
        quota = Atomic(options.mostBytes)
        checkpointer.start()
    }

    /// Changes the bound on the database file, from the next append on.
    public func limit(to bytes: Int) { quota.store(bytes, ordering: .relaxed) }

    /// Waits for what is under way, moves the WAL into the database, and gives the files free.
    public func close() {
        let wasOpen = side.withLock { side in
            if case .closed = side { return false }
            side = .closed
            return true
        }
        guard wasOpen else { return }
        checkpointer.stop()
        try? readers.callIn()
        files.withLock { $0 = nil }
    }

    deinit { close() }

    // MARK: - Writing

    public func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
        try side.withLock { side throws(StoreError) in
            try heal(&side)
            let before: (head: UInt64, record: UInt64)
            let failure: StoreError
            switch attempt(batches, repetitions, deliveries, on: side) {
            case .success(let appended): return appended
            case .failure(let failed):
                guard case .io = failed.error else { throw failed.error }
                (before, failure) = ((failed.head, failed.record), failed.error)
            }
            // What the disk did is not known, nor what it will do with pages it failed to sync. So
            // everything is closed, opened, written and synced anew, and then asked.
            side = .broken
            let fresh = try reopened()
            // Of marks alone nothing tells; they are written again, which comes to the same.
            let landed = fresh.head > before.head || fresh.lastRecord > before.record
            let appended = landed ? Appended(head: fresh.head, versions: try fresh.versions(of: batches)) : nil
            side = .open(fresh)
            guard let appended else { throw failure }
            return appended
        }
    }

    private struct Failed: Error {
        var error: StoreError
        var head: UInt64
        var record: UInt64 = 0
    }

    /// Its own function, so that nobody holds the writer when the database has to be closed.
    private func attempt(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange], on side: Side
    ) -> Result<Appended, Failed> {
        guard case .open(let writer) = side else { return .failure(Failed(error: .closed, head: 0)) }
        let (head, record) = (writer.head, writer.lastRecord)
        do throws(StoreError) {
            try writer.limit(to: quota.load(ordering: .relaxed))
            let appended = try writer.append(batches, repetitions, deliveries)
            checkpointer.committed(writer)
            return .success(appended)
        } catch {
            return .failure(Failed(error: error, head: head, record: record))
        }
    }

    private func heal(_ side: inout Side) throws(StoreError) {
        if case .broken = side { side = .open(try reopened()) }
    }

    /// The writer on a database that has been closed by everyone. Called with the side broken, so that
    /// the old writer is gone.
    private func reopened() throws(StoreError) -> SQLiteWriter {
        do throws(StoreError) {
            checkpointer.letGo()
            try readers.callIn()
            let writer = try SQLiteWriter(path: path)
            try writer.settle()
            readers.resume()
            return writer
        } catch {
            throw .io("the event store cannot be opened again: \(error)", undecided: true)
        }
    }

    // MARK: - Reading

    private func reading<R>(_ body: (SQLiteReader) throws(StoreError) -> R) throws(StoreError) -> R {
        if readers.isCalledIn {
            // Either the writer is opening the database again, and this waits for it, or it could not;
            // without this a store that is only read would never recover.
            try side.withLock { side throws(StoreError) in
                if case .closed = side { throw .closed }
                try heal(&side)
            }
        }
        return try readers.with(body)
    }

    public func read(
        _ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int
    ) throws(StoreError) -> [StoredEvent] {
        try reading { reader throws(StoreError) in
            try reader.read(aggregate, from: from, through: through, limit: limit)
        }
    }

    public func read(
        type: String, from: Timestamp, until: Timestamp, limit: Int
    ) throws(StoreError) -> [StoredEvent] {
        try reading { reader throws(StoreError) in
            try reader.read(type: type, from: from, until: until, limit: limit)
        }
    }

    public func read(after position: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        try reading { reader throws(StoreError) in try reader.read(after: position, limit: limit) }
    }

    public func repetitions(after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord] {
        try reading { reader throws(StoreError) in try reader.repetitions(after: position, limit: limit) }
    }

    public func deliveries(after place: DeliveryRecord?, limit: Int) throws(StoreError) -> [DeliveryRecord] {
        try reading { reader throws(StoreError) in try reader.deliveries(after: place, limit: limit) }
    }

    public func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord] {
        try reading { reader throws(StoreError) in try reader.deliveries(of: session) }
    }

    public func head() throws(StoreError) -> UInt64 {
        try reading { reader throws(StoreError) in try reader.head() }
    }
}

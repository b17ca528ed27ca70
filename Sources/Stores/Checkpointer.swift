import CSQLite
import EventCore
import Glibc
import Synchronization
import Threads

/// Moves the WAL into the database beside the writer, on its own thread and connection, so that a
/// commit waits for its own fsync only.
///
/// A WAL can be begun anew only when all of it has been moved, which never happens while the writer
/// keeps adding. So the thread moves until little is left, then tells the writer, which moves that
/// little between two commits; the next commit writes at the WAL's beginning again.
final class Checkpointer: Sendable {
    /// Bytes the WAL file may keep.
    static let largestWAL = 96 << 20
    /// Frames at which moving begins: 64 MiB. Less often is cheaper: pages changed again are moved once.
    private static let begin = 16_384
    /// Frames the writer moves itself: 512 KiB.
    private static let little = 128
    /// Frames at which the writer moves whatever there is, and so slows down to the disk: 96 MiB.
    private static let most = largestWAL / 4096

    private struct State {
        var wanted = false
        var ended = false
        /// The writer's turn.
        var nearlyDone = false
    }

    private let path: String
    private let state = Mutex(State())
    /// Held while moving. Nil until needed and while the database is closed.
    private let connection = Mutex<SQLiteConnection?>(nil)
    private let bell = Bell()
    /// Frames in the WAL after the last commit.
    private let frames = Atomic<Int>(0)
    private let thread = Mutex<NamedThread?>(nil)

    init(path: String) { self.path = path }

    func start() {
        let started = NamedThread.required(name: "checkpoints") { [self] in
            while true {
                bell.wait()
                let (wanted, ended) = state.withLock { state in
                    defer { state.wanted = false }
                    return (state.wanted, state.ended)
                }
                if ended { return }
                if wanted { move() }
            }
        }
        thread.withLock { $0 = started }
    }

    /// After a commit.
    func committed(_ writer: SQLiteWriter) {
        let frames = writer.walFrames
        self.frames.store(frames, ordering: .relaxed)
        guard frames >= Checkpointer.begin else { return }
        enum Turn { case none, ring, writer, writerAtOnce }
        let turn: Turn = state.withLock { state in
            if frames >= Checkpointer.most { return .writerAtOnce }
            if state.nearlyDone {
                state.nearlyDone = false
                return .writer
            }
            if state.wanted { return .none }
            state.wanted = true
            return .ring
        }
        switch turn {
        case .none: break
        case .ring: bell.ring()
        case .writer: writer.checkpoint()
        // After the pass under way, which would keep the writer out.
        case .writerAtOnce: connection.withLock { _ in writer.checkpoint() }
        }
    }

    /// Closes the connection after the move under way; the next move opens it again.
    func letGo() { connection.withLock { $0 = nil } }

    func stop() {
        state.withLock { $0.ended = true }
        bell.ring()
        thread.withLock { $0.take() }?.join()
        letGo()
    }

    /// Moves until little is left. Four passes at most: a writer that outruns them is slowed by `most`.
    private func move() {
        for _ in 0..<4 {
            let left: Int? = connection.withLock { connection in
                // Errors are the writer's to meet: what is not moved stays in the WAL.
                if connection == nil { connection = Self.open(path) }
                guard let handle = connection?.handle else { return nil }
                var moved: Int32 = 0
                let result = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, &moved)
                guard result == SQLITE_OK, moved >= 0 else { return nil }
                return self.frames.load(ordering: .relaxed) - Int(moved)
            }
            guard let left else { return }
            if left <= Checkpointer.little { break }
        }
        state.withLock { $0.nearlyDone = true }
    }

    /// A connection that has read once: until then SQLite has not opened the WAL on it, and a
    /// checkpoint would succeed without moving anything.
    static func open(_ path: String) -> SQLiteConnection? {
        guard let connection = try? SQLiteConnection(path: path, role: .checkpointer),
            (try? connection.integer("SELECT count(*) FROM sqlite_schema")) != nil
        else { return nil }
        return connection
    }
}

import EventCore
import Glibc

/// The store's files: made readable to their owner alone, known to the directory after a crash, and
/// written by one process at a time.
final class StoreFiles {
    let path: String
    private let lock: Int32

    /// Makes the directories and the database file where they are missing, and takes the lock.
    init(path: String) throws(StoreError) {
        self.path = path
        let directory = StoreFiles.directory(of: path)
        try StoreFiles.makeDirectories(directory)

        // A lock of its own: closing any descriptor of the database file would drop SQLite's locks.
        lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw StoreFiles.error("cannot open \(path).lock") }
        // From here on `deinit` closes it, also where this throws.
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw errno == EWOULDBLOCK ? .locked("another process writes to \(path)") : StoreFiles.error("cannot lock \(path).lock")
        }

        // Made here and not by SQLite for its mode; the WAL and its index inherit that.
        try StoreFiles.make(path)
    }

    /// Makes an empty file for its owner alone where there is none.
    static func make(_ path: String) throws(StoreError) {
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if file >= 0 {
            close(file)
        } else if errno != EEXIST {
            throw StoreFiles.error("cannot create \(path)")
        }
    }

    deinit {
        if lock >= 0 { close(lock) }
    }

    /// Makes the names of the files durable.
    func syncDirectory() throws(StoreError) { try StoreFiles.syncDirectory(of: path) }

    static func syncDirectory(of path: String) throws(StoreError) {
        let directory = open(StoreFiles.directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw StoreFiles.error("cannot open the directory of \(path)") }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw StoreFiles.error("cannot sync the directory of \(path)") }
    }

    /// Bytes of the database file, without the WAL.
    var bytes: Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func makeDirectories(_ directory: String) throws(StoreError) {
        var status = stat()
        if stat(directory, &status) == 0 { return }
        if directory != "." && directory != "/" { try makeDirectories(self.directory(of: directory)) }
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw error("cannot create \(directory)") }
    }

    private static func error(_ what: String) -> StoreError {
        let number = errno
        return number == ENOSPC || number == EDQUOT
            ? .full : .io(what + ": " + String(cString: strerror(number)), undecided: false)
    }
}

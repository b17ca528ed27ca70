import CSQLite
import Glibc
import Synchronization

/// A SQLite file system that is the real one, except that files whose path contains `faulty` fail on
/// demand.
enum FaultyDisk {
    /// So many calls of `xSync` fail from now on (`xWrite` too when `alsoWrites`).
    static func fail(_ calls: Int, alsoWrites: Bool = false) {
        writesToo.store(alsoWrites, ordering: .sequentiallyConsistent)
        failures.store(calls, ordering: .sequentiallyConsistent)
    }

    static let installed: Bool = {
        guard let real = sqlite3_vfs_find(nil) else { return false }
        original = real
        let faulty = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        faulty.initialize(to: real.pointee)
        faulty.pointee.pNext = nil
        faulty.pointee.zName = UnsafePointer(name)
        faulty.pointee.xOpen = { _, path, file, flags, given in
            let result = original?.pointee.xOpen(original, path, file, flags, given) ?? SQLITE_ERROR
            if result == SQLITE_OK, let path, let file, String(cString: path).contains("faulty") {
                FaultyDisk.break(file)
            }
            return result
        }
        return sqlite3_vfs_register(faulty, 1) == SQLITE_OK
    }()

    // Set once, before the first file is opened through this file system.
    nonisolated(unsafe) private static var original: UnsafeMutablePointer<sqlite3_vfs>?
    nonisolated(unsafe) private static let name = strdup("faulty")

    private static let failures = Atomic<Int>(0)
    private static let writesToo = Atomic<Bool>(false)

    private static func fails() -> Bool {
        guard failures.load(ordering: .sequentiallyConsistent) > 0 else { return false }
        failures.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        return true
    }

    /// The real methods, and ours: SQLite has a table for each kind of file (database, WAL).
    private struct Methods: @unchecked Sendable {
        // Written once under the lock and only read afterwards.
        var real: UnsafePointer<sqlite3_io_methods>
        var ours: UnsafePointer<sqlite3_io_methods>
    }

    private static let methods = Mutex<[Methods]>([])

    private static func real(_ file: UnsafeMutablePointer<sqlite3_file>?) -> sqlite3_io_methods? {
        let present = UInt(bitPattern: file?.pointee.pMethods)
        return methods.withLock { $0.first { UInt(bitPattern: $0.ours) == present } }?.real.pointee
    }

    private static func `break`(_ file: UnsafeMutablePointer<sqlite3_file>) {
        guard let real = file.pointee.pMethods else { return }
        let place = UInt(bitPattern: real)
        let table: Methods? = methods.withLock { methods in
            if let known = methods.first(where: { UInt(bitPattern: $0.real) == place }) { return known }
            guard let real = UnsafePointer<sqlite3_io_methods>(bitPattern: place) else { return nil }
            let ours = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
            ours.initialize(to: real.pointee)
            ours.pointee.xSync = { file, flags in
                FaultyDisk.fails() ? SQLITE_IOERR | 4 << 8 : FaultyDisk.real(file)?.xSync(file, flags) ?? SQLITE_ERROR
            }
            ours.pointee.xWrite = { file, bytes, count, at in
                FaultyDisk.writesToo.load(ordering: .sequentiallyConsistent) && FaultyDisk.fails()
                    ? SQLITE_IOERR | 3 << 8 : FaultyDisk.real(file)?.xWrite(file, bytes, count, at) ?? SQLITE_ERROR
            }
            let made = Methods(real: real, ours: UnsafePointer(ours))
            methods.append(made)
            return made
        }
        if let table { file.pointee.pMethods = table.ours }
    }
}

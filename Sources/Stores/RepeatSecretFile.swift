public import EventCore
import Glibc

/// The key of the digests that records of requests hold, in a file beside the events: known again after a restart,
/// and not in the database that it protects.
public enum RepeatSecretFile {
    public static func path(ofEvents path: String) -> String { path + ".idempotency-key" }

    /// The key in the file, which is made, for its owner alone, where there is none.
    /// - Throws: also when the file is not such a key: then records of before could not be known any more.
    public static func open(_ path: String) throws(StoreError) -> RepeatDigest.Key {
        if let key = try read(path) { return key }
        let key = RepeatDigest.Key()
        // Under another name first: a process that dies here leaves no half of a key.
        let draft = path + ".new"
        unlink(draft)
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure("cannot create \(draft)") }
        defer { close(file) }
        let bytes = key.bytes
        guard bytes.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == bytes.count, fsync(file) == 0,
            rename(draft, path) == 0
        else { throw failure("cannot write \(path)") }
        try StoreFiles.syncDirectory(of: path)
        return key
    }

    /// Nil when there is no file.
    private static func read(_ path: String) throws(StoreError) -> RepeatDigest.Key? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("cannot open \(path)")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: RepeatDigest.Key.length + 1)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw failure("cannot read \(path)") }
        guard let key = RepeatDigest.Key(Array(bytes.prefix(count))) else {
            throw .unusable("\(path) is not a key of \(RepeatDigest.Key.length) bytes")
        }
        return key
    }

    private static func failure(_ what: String) -> StoreError { .io(what + ": " + String(cString: strerror(errno)), undecided: false) }
}

import Glibc

/// Small files of the commands about tokens, and what comes on standard input.
enum TokenFiles {
    /// Bytes of a key's file.
    static let longest = 64 << 10

    /// The bytes of a file; nil when it cannot be read or is longer than `longest`.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(descriptor)
    }

    /// All of standard input, without the line's end.
    static func standardInput() -> [UInt8]? {
        guard var bytes = read(STDIN_FILENO) else { return nil }
        while let last = bytes.last, last == 10 || last == 13 { bytes.removeLast() }
        return bytes
    }

    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= longest {
            let n = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n >= 0 else { return nil }
            if n == 0 { return bytes }
            bytes += piece[..<n]
        }
        return nil
    }

    /// Writes a file whole or not at all: beside it first, then in its place.
    /// - Parameters:
    ///   - mode: its permissions; 0600 for what is secret.
    ///   - replaces: an existing file may be replaced; else it stays and the answer is EEXIST.
    /// - Returns: 0, or errno.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t, replaces: Bool) -> Int32 {
        let draft = "\(path).\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { return errno }
        var rest = bytes[...]
        while !rest.isEmpty {
            let n = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { break }
            rest = rest.dropFirst(n)
        }
        let isWritten = rest.isEmpty && fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0
        var problem = isWritten ? 0 : errno
        close(descriptor)
        // `link` leaves a file alone that somebody else has made meanwhile.
        if isWritten && (replaces ? rename(draft, path) : link(draft, path)) != 0 { problem = errno }
        if problem != 0 || !replaces { unlink(draft) }
        return problem
    }

    /// Says why on standard error, for exit status 1.
    static func complain(_ reason: String) {
        let line = Array("error: \(reason)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

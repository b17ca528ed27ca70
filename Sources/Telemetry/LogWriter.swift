import CShim
import Glibc
import Synchronization
import Threads

/// Writes log chunks to a file or to standard output, on a thread of its own.
///
/// Workers hand chunks over without waiting: when the queue is full, the disk is full or the reader of
/// a pipe is gone, chunks are dropped and counted, and writing goes on as soon as it can.
public final class LogWriter: Sendable {
    /// `-` for standard output, or a path that is created, appended to and reopened on request.
    public let path: String
    /// Chunks that may wait; with chunks of 32 KiB this bounds the memory.
    public static let queueChunks = 256

    private struct Queue {
        var chunks: [[UInt8]] = []
        var reopen = false
        var stop = false
    }

    private let queue = Mutex(Queue())
    private let wake: Int32
    private let thread = Mutex<NamedThread?>(nil)
    private let written = Atomic<UInt64>(0)
    private let failed = Atomic<UInt64>(0)

    /// Opens the file and starts the thread.
    /// - Throws: `LogProblem` when the file cannot be opened, so that a wrong path is seen at start.
    public init(path: String) throws(LogProblem) {
        self.path = path
        let file = LogWriter.open(path)
        guard file >= 0 else { throw LogProblem(path: path, errno: errno) }
        wake = nx_eventfd()
        guard wake >= 0 else {
            let problem = errno
            if path != "-" { close(file) }
            throw LogProblem(path: path, errno: problem)
        }
        do throws(SystemError) {
            let started = try NamedThread(name: "access-log") { [self] in run(file) }
            thread.withLock { $0 = started }
        } catch {
            if path != "-" { close(file) }
            close(wake)
            throw LogProblem(path: path, errno: error.code)
        }
    }

    /// Hands over whole lines. Never waits for the disk.
    /// - Returns: false when the queue was full and the chunk is lost.
    public func offer(_ chunk: [UInt8]) -> Bool {
        let accepted = queue.withLock { queue in
            guard queue.chunks.count < LogWriter.queueChunks && !queue.stop else { return false }
            queue.chunks.append(chunk)
            return true
        }
        if accepted { ring() }
        return accepted
    }

    /// Opens the path anew (after rotation); from a signal's handling thread, not from the handler.
    public func reopen() {
        queue.withLock { $0.reopen = true }
        ring()
    }

    /// Writes what is queued, then ends the thread. Later chunks are refused.
    public func stop() {
        queue.withLock { $0.stop = true }
        ring()
        thread.withLock { $0.take() }?.join()
    }

    /// Bytes written so far.
    public var bytesWritten: UInt64 { written.load(ordering: .relaxed) }
    /// Bytes lost because writing failed (disk full, pipe gone).
    public var bytesLost: UInt64 { failed.load(ordering: .relaxed) }

    private func ring() {
        var one: UInt64 = 1
        // A full counter still wakes the reader, so a refused write needs no repeat.
        _ = Glibc.write(wake, &one, 8)
    }

    private static func open(_ path: String) -> Int32 {
        path == "-" ? 1 : Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }

    private func run(_ first: Int32) {
        var file = first
        while true {
            let (chunks, reopen, stop) = queue.withLock { queue in
                let taken = (queue.chunks, queue.reopen, queue.stop)
                queue.chunks = []
                queue.reopen = false
                return taken
            }
            for chunk in chunks { put(chunk, on: file) }
            if reopen && path != "-" {
                let next = LogWriter.open(path)
                // When the new file cannot be had, the old one goes on.
                if next >= 0 {
                    close(file)
                    file = next
                }
            }
            if chunks.isEmpty && !reopen {
                if stop { break }
                var ready = pollfd(fd: wake, events: Int16(POLLIN), revents: 0)
                _ = poll(&ready, 1, -1)
                var count: UInt64 = 0
                _ = read(wake, &count, 8)
            }
        }
        if path != "-" { close(file) }
        close(wake)
    }

    private func put(_ chunk: [UInt8], on file: Int32) {
        var done = 0
        var patience = 50
        while done < chunk.count {
            let n = chunk.span.extracting(done..<chunk.count).withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if n > 0 {
                done += n
                continue
            }
            if n < 0 && errno == EINTR { continue }
            // A non-blocking pipe that is full: wait for its reader, but not for ever.
            if n < 0 && errno == EAGAIN && patience > 0 {
                patience -= 1
                var ready = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, 20)
                continue
            }
            failed.add(UInt64(chunk.count - done), ordering: .relaxed)
            break
        }
        written.add(UInt64(done), ordering: .relaxed)
    }
}

/// Why a log could not be opened.
public struct LogProblem: Error, Sendable, Hashable, CustomStringConvertible {
    public let path: String
    public let errno: Int32
    public var description: String { "cannot open log \(path): \(String(cString: strerror(errno)))" }
}

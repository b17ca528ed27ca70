import Glibc
import Testing

/// A program that a test runs. Started with no signal blocked: the threads that tests run on block them all, and a child
/// inherits that, so that it would not hear that it is to end.
final class Child {
    private var pid: pid_t?
    /// What it writes to its standard output.
    private let output: Int32

    /// - Parameter input: a file for its standard input.
    init(_ path: String, _ arguments: [String], input: String = "/dev/null") throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, path, &actions, &attributes, &words, environ)
        close(ends[1])
        output = ends[0]
        try #require(result == 0, "\(path) cannot be started")
        self.pid = pid
    }

    deinit {
        stop(SIGKILL)
        close(output)
    }

    var isRunning: Bool {
        guard let pid else { return false }
        return waitid(P_PID, id_t(pid), nil, WEXITED | WNOHANG | WNOWAIT) == 0 && kill(pid, 0) == 0
    }

    /// Waits for its end; true = it ended well.
    @discardableResult
    func end() -> Bool {
        guard let pid else { return false }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        self.pid = nil
        return status == 0
    }

    func stop(_ signal: Int32 = SIGTERM) {
        guard let pid else { return }
        kill(pid, signal)
        end()
    }

    /// All it writes from here on: up to where this ends it, or to its end.
    func text(through end: String? = nil) -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while end.map({ !bytes.suffix($0.utf8.count).elementsEqual($0.utf8) }) ?? true {
            let count = read(output, &piece, piece.count)
            if count > 0 { bytes += piece[..<count] } else if count == 0 || errno != EINTR { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

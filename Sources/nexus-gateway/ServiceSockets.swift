import Glibc
import Reactor

/// Socket activation (sd_listen_fds protocol): descriptors from 3 on, meant for this process.
enum ServiceSockets {
    /// The sockets by name; LISTEN_FDNAMES names listeners of the configuration.
    static func inherited() -> [String: ListeningSocket] {
        guard let process = value("LISTEN_PID"), Int32(process) == getpid(), let text = value("LISTEN_FDS"),
            let count = Int32(text), count > 0, count <= 64
        else { return [:] }
        let names = value("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        var sockets: [String: ListeningSocket] = [:]
        for i in 0..<count {
            guard Int(i) < names.count, let socket = ListeningSocket(inherited: 3 + i) else { continue }
            sockets[String(names[Int(i)])] = socket
        }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        return sockets
    }

    private static func value(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

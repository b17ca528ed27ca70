import CShim
import Glibc

/// Tells the service manager how the daemon is (sd_notify protocol). Silent when nobody asked.
public struct ServiceNotice: Sendable {
    private let socket: String?
    /// How often, at the least, `watchdog` must be called (microseconds); nil when nobody waits for it.
    public let watchdogMicroseconds: UInt64?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment.
    public init() {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        self.init(
            socket: variable("NOTIFY_SOCKET"), watchdogMicroseconds: variable("WATCHDOG_USEC"),
            watchdogProcess: variable("WATCHDOG_PID"), process: getpid())
    }

    /// - Parameters:
    ///   - socket: a path, or `@name` in the abstract namespace; anything else is ignored.
    ///   - watchdogProcess: when given, the watchdog is meant for that process only.
    public init(socket: String?, watchdogMicroseconds: String?, watchdogProcess: String?, process: Int32) {
        self.socket = socket.flatMap { ($0.hasPrefix("/") || $0.hasPrefix("@")) && $0.utf8.count > 1 ? $0 : nil }
        let mine = watchdogProcess.map { Int32($0) == process } ?? true
        self.watchdogMicroseconds = mine ? watchdogMicroseconds.flatMap { UInt64($0) }.flatMap { $0 > 0 ? $0 : nil } : nil
    }

    /// Recovery is done and the listeners are open.
    public func ready(status: String = "") { send("READY=1", status) }

    /// A reload begins; `ready` ends it.
    /// - Parameter monotonicNS: the monotonic clock now, by which the manager tells this reload from the last.
    public func reloading(monotonicNS: UInt64) { send("RELOADING=1\nMONOTONIC_USEC=\(monotonicNS / 1000)", "") }

    public func stopping(status: String = "") { send("STOPPING=1", status) }

    /// To be called by a thread that has just proved it makes progress.
    public func watchdog() { send("WATCHDOG=1", "") }

    /// One line for `systemctl status`.
    public func status(_ text: String) { send("", text) }

    private func send(_ state: String, _ status: String) {
        guard let socket else { return }
        var lines: [String] = state.isEmpty ? [] : [state]
        // A line feed would begin another assignment.
        if !status.isEmpty { lines.append("STATUS=" + status.map { $0.isNewline ? " " : String($0) }.joined()) }
        // The manager may be gone; the daemon serves on without it.
        _ = nx_notify(socket, lines.joined(separator: "\n"))
    }
}

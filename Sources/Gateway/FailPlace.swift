import Glibc

/// A place between what a request with an idempotency key causes, where a process can die. Nothing happens there, but in
/// tests: `NEXUS_FAIL_POINT=replay/reserved` kills the process, as by kill -9, when it comes there.
enum FailPlace: String {
    /// The reservation is on disk, nothing has been sent.
    case reserved = "replay/reserved"
    /// The cluster has answered, which is written nowhere.
    case answered = "replay/answered"
    /// The answer is on disk, and the client has not heard it.
    case stored = "replay/stored"

    private static let armed = getenv("NEXUS_FAIL_POINT").flatMap { FailPlace(rawValue: String(cString: $0)) }

    func reach() {
        if self == Self.armed { kill(getpid(), SIGKILL) }
    }
}

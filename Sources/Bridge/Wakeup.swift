import CShim
import Glibc

/// Wakes a thread that sleeps in `poll`.
final class Wakeup: Sendable {
    let descriptor: Int32

    /// Nil when the process has no more descriptors.
    init?() {
        descriptor = nx_eventfd()
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    func ring() { nx_eventfd_signal(descriptor) }
    func silence() { nx_eventfd_clear(descriptor) }
}

/// Milliseconds of a clock that does not step.
func nowMS() -> UInt64 { nx_monotonic_ns() / 1_000_000 }

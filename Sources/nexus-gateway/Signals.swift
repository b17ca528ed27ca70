import CShim
import Gateway
import Glibc
import Reactor
import Threads

/// Signals as values: blocked in every thread, taken one at a time by the thread that asks.
struct Signals: Sendable {
    enum Event { case terminate, reload, reopen, drained, timeout }

    /// Tells the waiting thread that the gateway has ended; a real-time signal of our own.
    private static var drainedSignal: Int32 { SIGUSR2 }

    /// Blocks them in this thread and all it makes from now on; SIGPIPE is ignored.
    init() {
        signal(SIGPIPE, SIG_IGN)
        var set = Self.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, drainedSignal] { sigaddset(&set, number) }
        return set
    }

    /// Waits for the next; at most `timeoutMS` when given.
    func next(timeoutMS: Int?) -> Event {
        var set = Self.set
        while true {
            let number: Int32
            if let timeoutMS {
                var wait = timespec(tv_sec: timeoutMS / 1000, tv_nsec: timeoutMS % 1000 * 1_000_000)
                number = sigtimedwait(&set, nil, &wait)
                if number < 0 && errno == EAGAIN { return .timeout }
            } else {
                number = sigwaitinfo(&set, nil)
            }
            switch number {
            case SIGTERM, SIGINT: return .terminate
            case SIGHUP: return .reload
            case SIGUSR1: return .reopen
            case Self.drainedSignal: return .drained
            default: continue  // EINTR
            }
        }
    }

    /// Wakes the waiting thread once `drain` has returned, which has a thread of its own.
    func tellWhenDone(_ drain: @escaping @Sendable () -> Void) throws(SystemError) {
        _ = try NamedThread(name: "drain") {
            drain()
            kill(getpid(), Self.drainedSignal)
        }
    }
}

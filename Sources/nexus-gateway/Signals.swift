import CShim
import Gateway
import Glibc
import Reactor
import Synchronization

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

    fileprivate func drained() { kill(getpid(), Self.drainedSignal) }

    /// Waits for the gateway's end beside the thread that takes signals, and ends it when time is up.
    struct Drained {
        func start(_ gateway: Gateway, signals: Signals, atMostMS: UInt32) {
            let over = Atomic2()
            _ = try? WorkerThread(name: "drain") {
                gateway.wait()
                over.flag.store(true, ordering: .releasing)
                signals.drained()
            }
            _ = try? WorkerThread(name: "drain-limit") {
                var left = Int(atMostMS)
                while left > 0 && !over.flag.load(ordering: .acquiring) {
                    usleep(useconds_t(min(left, 50) * 1000))
                    left -= 50
                }
                if !over.flag.load(ordering: .acquiring) { gateway.stop() }
            }
        }

        private final class Atomic2: Sendable { let flag = Atomic<Bool>(false) }
    }
}

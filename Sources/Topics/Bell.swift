import Glibc

/// Rung by whoever finds the broker's thread asleep. Its clock is the monotonic one, so that a step of the wall clock neither
/// wakes nor delays anybody.
final class Bell: Sendable {
    private struct Parts {
        var lock = pthread_mutex_t()
        var changed = pthread_cond_t()
        var isRung = false
    }

    // Made to be used by several threads at once, and their address never changes; `isRung` is looked at under the lock. They
    // are destroyed when nobody can reach them any more.
    nonisolated(unsafe) private let parts: UnsafeMutablePointer<Parts>

    init() {
        parts = .allocate(capacity: 1)
        parts.initialize(to: Parts())
        pthread_mutex_init(&parts.pointee.lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(&parts.pointee.changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(&parts.pointee.changed)
        pthread_mutex_destroy(&parts.pointee.lock)
        parts.deallocate()
    }

    func ring() {
        pthread_mutex_lock(&parts.pointee.lock)
        parts.pointee.isRung = true
        pthread_mutex_unlock(&parts.pointee.lock)
        pthread_cond_signal(&parts.pointee.changed)
    }

    /// Sleeps until rung (a ring that came before counts), or for so many milliseconds.
    func wait(milliseconds: UInt64) {
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let most = min(milliseconds, 86_400_000)
        let nanos = until.tv_nsec + Int(most % 1000) * 1_000_000
        until.tv_sec += Int(most / 1000) + nanos / 1_000_000_000
        until.tv_nsec = nanos % 1_000_000_000
        pthread_mutex_lock(&parts.pointee.lock)
        while !parts.pointee.isRung
            && pthread_cond_timedwait(&parts.pointee.changed, &parts.pointee.lock, &until) != ETIMEDOUT
        {}
        parts.pointee.isRung = false
        pthread_mutex_unlock(&parts.pointee.lock)
    }
}

/// Starts a thread that has to be joined. It takes no signals: those are for the main thread.
func joinableThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var thread = pthread_t()
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    let result = pthread_create(
        &thread, nil,
        { raw in
            if let raw { Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue().run() }
            return nil
        }, Unmanaged.passRetained(ThreadBody(body)).toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    precondition(result == 0, "no more threads")
    return thread
}

/// A closure on its way to a new thread.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

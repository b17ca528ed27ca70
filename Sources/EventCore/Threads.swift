public import Glibc

/// A POSIX semaphore: rung by whoever finds the reader asleep.
public final class Bell: Sendable {
    // A semaphore is made to be used by several threads at once, and its address never changes; it is
    // destroyed when nobody can reach it any more.
    nonisolated(unsafe) private let semaphore: UnsafeMutablePointer<sem_t>

    public init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    public func ring() { sem_post(semaphore) }

    /// Sleeps until rung; a ring that came before counts.
    public func wait() {
        while sem_wait(semaphore) != 0 && errno == EINTR {}
    }
}

/// Starts a thread that has to be joined. It takes no signals: those are for the main thread.
public func joinableThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
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

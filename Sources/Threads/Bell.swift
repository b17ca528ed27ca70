internal import CShim
internal import Glibc

/// A POSIX semaphore: rung by whoever finds a reader asleep. Every ring ends one wait, also one that comes later.
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

    /// Sleeps until rung.
    public func wait() {
        while sem_wait(semaphore) != 0 && errno == EINTR {}
    }

    /// Sleeps until rung, or for so many milliseconds (a day at most), whatever becomes of the wall clock.
    public func wait(milliseconds: UInt64) { nx_sem_wait_ms(semaphore, min(milliseconds, 86_400_000)) }
}

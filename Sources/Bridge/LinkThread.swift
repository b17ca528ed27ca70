import Glibc

/// The thread of a link.
enum LinkThread {
    /// Starts a thread that has to be joined. It takes no signals: those are for the main thread.
    static func start(_ link: sending Link) -> pthread_t {
        var thread = pthread_t()
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, &before)
        let result = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Link>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(link).toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(result == 0, "no more threads")
        return thread
    }
}

internal import CShim
internal import Glibc
import Synchronization

/// A named POSIX thread that runs one closure. State made inside the closure, or given away to it, is the thread's own.
/// It takes no signals: those are for the main thread.
public final class NamedThread: Sendable {
    private let handle: Mutex<pthread_t?>

    /// - Parameters:
    ///   - name: at most 15 characters are shown.
    ///   - cpu: core to pin to, or nil.
    /// - Throws: when there may be no more threads.
    public init(name: String, cpu: Int32? = nil, _ body: sending @escaping () -> Void) throws(SystemError) {
        let start = Unmanaged.passRetained(
            Start {
                nx_name_thread(name)
                if let cpu { _ = nx_pin_to_cpu(cpu) }
                body()
            })
        var thread = pthread_t()
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, &before)
        let code = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Start>.fromOpaque(raw).takeRetainedValue().body() }
                return nil
            }, start.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard code == 0 else {
            start.release()
            throw SystemError("pthread_create", code: code)
        }
        handle = Mutex(thread)
    }

    /// A thread without which the process is of no use: where there may be no more threads, it ends.
    public static func required(name: String, _ body: sending @escaping () -> Void) -> NamedThread {
        do throws(SystemError) { return try NamedThread(name: name, body) } catch { fatalError("thread \(name): \(error)") }
    }

    /// Waits for the thread's end. Only the first call waits.
    public func join() {
        if let thread = handle.withLock({ $0.take() }) { pthread_join(thread, nil) }
    }

    /// A closure on its way to its thread.
    private final class Start {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
}

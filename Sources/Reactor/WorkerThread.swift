internal import CShim
internal import Glibc
import Synchronization

/// A named POSIX thread that runs one closure. State made inside the closure is the thread's own.
public final class WorkerThread: Sendable {
    private let handle: Mutex<pthread_t?>

    /// - Parameters:
    ///   - name: at most 15 characters are shown.
    ///   - cpu: core to pin to, or nil.
    public init(name: String, cpu: Int32? = nil, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        final class Start {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        let start = Unmanaged.passRetained(
            Start {
                nx_name_thread(name)
                if let cpu { _ = nx_pin_to_cpu(cpu) }
                body()
            })
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Start>.fromOpaque(raw).takeRetainedValue().body() }
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw SystemError("pthread_create", code: code)
        }
        handle = Mutex(thread)
    }

    /// Waits for the thread's end. Only the first call waits.
    public func join() {
        let thread = handle.withLock { handle -> pthread_t? in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }
}

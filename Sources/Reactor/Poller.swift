internal import CShim
internal import Glibc
import Threads

/// The seam between the loop and the kernel's readiness interface. Registration is once per
/// descriptor, edge-triggered, for both directions: no system call per request is spent on it.
/// A completion-based poller (io_uring) fits behind the same three calls by reporting readiness
/// after its own receives.
protocol Poller: ~Copyable {
    /// Watches `fd` until it is closed. `token` comes back with each report.
    func add(_ fd: Int32, token: UInt64) -> Int32
    /// Waits at most `timeoutMS` (-1 = for ever) and calls `report` for each ready descriptor.
    func wait(timeoutMS: Int32, _ report: (_ token: UInt64, _ readiness: Readiness) -> Void)
}

/// epoll, edge-triggered.
struct EpollPoller: Poller, ~Copyable {
    private let descriptor: Int32
    private let reports: UnsafeMutableBufferPointer<nx_ready>

    /// - Parameter batch: the most reports one turn handles, at most 512.
    init(batch: Int) throws(SystemError) {
        descriptor = nx_poller_create()
        if descriptor < 0 { throw SystemError("epoll_create1") }
        reports = .allocate(capacity: batch)
    }

    deinit {
        reports.deallocate()
        closeDescriptor(descriptor)
    }

    func add(_ fd: Int32, token: UInt64) -> Int32 { nx_poller_add(descriptor, fd, token) }

    func wait(timeoutMS: Int32, _ report: (UInt64, Readiness) -> Void) {
        let n = Int(nx_poller_wait(descriptor, reports.baseAddress, Int32(reports.count), timeoutMS))
        var i = 0
        while i < n {  // n < 0 is EINTR: the next turn waits again
            let ready = reports[i]
            report(ready.token, Readiness(rawValue: ready.events))
            i &+= 1
        }
    }
}

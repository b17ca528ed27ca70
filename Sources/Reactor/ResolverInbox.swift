internal import CShim
internal import Glibc
import Synchronization
import Threads

/// What the resolver's thread is asked to do.
enum ResolverRequest: Sendable {
    case resolve(String, Resolver.Delivery)
    case watch(UInt64, String, Resolver.Delivery)
    case unwatch(UInt64)
}

/// The bounded queue into the resolver's thread, and the bell that wakes it.
final class ResolverInbox: Sendable {
    private struct State {
        var requests: [ResolverRequest] = []
        var isStopped = false
        var number: UInt64 = 0
    }

    private let state = Mutex(State())
    private let capacity: Int
    /// Readable when something waits; polled by the resolver's thread.
    let bell: Int32

    init(capacity: Int) throws(SystemError) {
        self.capacity = capacity
        bell = nx_eventfd()
        guard bell >= 0 else { throw SystemError("eventfd", code: errno) }
    }

    deinit { close(bell) }

    func nextNumber() -> UInt64 {
        state.withLock { state in
            state.number += 1
            return state.number
        }
    }

    /// - Parameter always: for requests that free something, so that they are never refused for want of room.
    /// - Returns: why the request was not taken, or nil.
    func put(_ request: ResolverRequest, always: Bool = false) -> ResolveFailure? {
        let refusal: ResolveFailure? = state.withLock { state in
            if state.isStopped { return .stopped }
            if state.requests.count >= capacity && !always { return .busy }
            state.requests.append(request)
            return nil
        }
        if refusal == nil { nx_eventfd_signal(bell) }
        return refusal
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        nx_eventfd_signal(bell)
    }

    func takeAll() -> (requests: [ResolverRequest], isStopped: Bool) {
        state.withLock { state in
            defer { state.requests = [] }
            return (state.requests, state.isStopped)
        }
    }
}

/// How the resolver's thread says that it runs, or why not.
final class ResolverStart: Sendable {
    private let word = Mutex<String??>(.none)
    private let bell = nx_eventfd()

    deinit { if bell >= 0 { close(bell) } }

    func report(_ problem: String?) {
        word.withLock { $0 = .some(problem) }
        nx_eventfd_signal(bell)
    }

    /// Waits for `report`.
    func wait() -> String? {
        while true {
            if let said = word.withLock({ $0 }) { return said }
            var ready = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
            _ = poll(&ready, 1, 100)
        }
    }
}

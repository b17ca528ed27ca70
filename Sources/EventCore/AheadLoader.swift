import Exchanges
import Glibc
import Synchronization
import Threads

/// Reads aggregates from the store beside the log's thread, so that one which is not in memory holds up only those who
/// ask for it.
///
/// What it waits for is bounded by the inbox: a name is wanted while a submission is parked for it.
final class AheadLoader: Sendable {
    /// What came of one name.
    struct Arrival: Sendable {
        var name: AggregateName
        var result: Result<AggregateLoader.Loaded, Refusal>
    }

    private struct State {
        /// Those before `next` have been taken.
        var wanted: [AggregateName] = []
        var next = 0
        var closed = false
    }

    /// Two: one long history does not hold up the others.
    private static let threads = 2

    private let loader: AggregateLoader
    private let inbox: Inbox
    private let state = Mutex(State())
    private let bell = Bell()
    private let running = Mutex<[NamedThread]>([])

    /// - Parameter inbox: takes the arrivals.
    init(_ loader: AggregateLoader, to inbox: Inbox) {
        self.loader = loader
        self.inbox = inbox
    }

    func start() {
        let threads = (0..<AheadLoader.threads).map { _ in
            NamedThread.required(name: "load-ahead") { [self] in
                while let name = next() { inbox.arrived(Arrival(name: name, result: load(name))) }
            }
        }
        running.withLock { $0 = threads }
    }

    /// Exactly one arrival comes for each.
    func want(_ name: AggregateName) {
        state.withLock { $0.wanted.append(name) }
        bell.ring()
    }

    /// Ends the threads. Nothing is wanted any more.
    func close() {
        state.withLock { $0.closed = true }
        let threads = running.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for _ in threads { bell.ring() }
        for thread in threads { thread.join() }
    }

    /// Waits for the next name; nil at the end.
    private func next() -> AggregateName? {
        while true {
            bell.wait()
            let (name, closed): (AggregateName?, Bool) = state.withLock { state in
                guard state.next < state.wanted.count else { return (nil, state.closed) }
                let name = state.wanted[state.next]
                state.next += 1
                if state.next == state.wanted.count {
                    state.wanted.removeAll(keepingCapacity: state.wanted.count <= 4096)
                    state.next = 0
                }
                return (name, false)
            }
            if let name { return name }
            if closed { return nil }
        }
    }

    private func load(_ name: AggregateName) -> Result<AggregateLoader.Loaded, Refusal> {
        let first = attempt(name)
        // The store may just have been closing its files to open them anew: the second attempt waits for that.
        guard case .failure(let refusal) = first, refusal.outcome.code == .upstreamUnavailable else { return first }
        return attempt(name)
    }

    private func attempt(_ name: AggregateName) -> Result<AggregateLoader.Loaded, Refusal> {
        do throws(Refusal) { return .success(try loader.load(name)) } catch { return .failure(error) }
    }
}

public import Bus
public import EventCore
import Synchronization

/// Time that stands still until a test moves it.
public final class SimulatedClock: BusClock {
    private struct Sleeper {
        var id: UInt64
        var untilMS: UInt64
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var uptimeMS: UInt64 = 1000
        /// Of the wall, in milliseconds, at uptime 0.
        var wallMS: Int64 = 1_700_000_000_000
        var sleepers: [Sleeper] = []
        var nextId: UInt64 = 1
        var cancelled: Set<UInt64> = []
    }

    private let state = Mutex(State())

    public init() {}

    public func now() -> Timestamp {
        state.withLock { Timestamp(microseconds: ($0.wallMS + Int64($0.uptimeMS)) * 1000) }
    }

    public func uptimeMS() -> UInt64 { state.withLock { $0.uptimeMS } }

    public func sleep(untilMS: UInt64) async {
        let id = state.withLock { state in
            state.nextId += 1
            return state.nextId
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.uptimeMS >= untilMS || state.cancelled.remove(id) != nil { return true }
                    state.sleepers.append(Sleeper(id: id, untilMS: untilMS, continuation: continuation))
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let found = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard let at = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: at).continuation
            }
            found?.resume()
        }
    }

    /// Moves the time on, and wakes whoever has slept enough.
    public func advance(byMS milliseconds: UInt64) {
        let woken = state.withLock { state in
            state.uptimeMS += milliseconds
            let over = state.sleepers.filter { $0.untilMS <= state.uptimeMS }
            state.sleepers.removeAll { $0.untilMS <= state.uptimeMS }
            return over
        }
        for sleeper in woken { sleeper.continuation.resume() }
    }

    /// The wall clock is set, forward or back; uptime goes on as it was.
    public func setWall(byMS milliseconds: Int64) { state.withLock { $0.wallMS += milliseconds } }
}

import EventCore
import Synchronization

/// An end in order: no step is cut in the middle, because of what it did nobody would know then.
extension Orchestrator {
    /// Waits until nothing is being carried out, but not for sagas that wait themselves (for a service, for people,
    /// for their next attempt), nor longer than this. In the second half of the time no step begins any more: what a
    /// busy process would still begin at the end would be cut. The next process begins it.
    public func settle(withinMS: UInt64) async {
        let begin = clock.uptimeMS
        while clock.uptimeMS - begin < withinMS {
            let isHolding = clock.uptimeMS - begin >= withinMS / 2
            let busy = state.withLock { state in
                state.isHolding = isHolding
                let ready = isHolding ? 0 : state.queued.count
                return state.running.count - state.sleeping + state.sleepingBusy + ready
            }
            if busy <= 0 { return }
            await clock.sleep(milliseconds: 20)
        }
    }

    var isHolding: Bool { state.withLock { $0.isHolding } }
}

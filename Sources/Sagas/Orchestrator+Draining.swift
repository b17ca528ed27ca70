import EventCore
import Synchronization

/// An end in order: no step is cut in the middle, because of what it did nobody would know then.
extension Orchestrator {
    /// Waits until nothing is being carried out, but not for sagas that wait themselves (for a service, for people,
    /// for their next attempt), nor longer than this.
    public func settle(withinMS: UInt64) async {
        let end = clock.now.microseconds + Int64(withinMS) * 1000
        while clock.now.microseconds < end {
            let busy = state.withLock { $0.running.count - $0.sleeping + $0.queued.count }
            if busy <= 0 { return }
            await clock.sleep(milliseconds: 20)
        }
    }
}

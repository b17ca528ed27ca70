import EventCore
import Sagas
import Synchronization

/// Time that stands still until a test moves it. Begins now, as the log takes its events' times from the wall.
final class ManualClock: SagaClock {
    private struct Sleeper {
        var until: Timestamp
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now = Timestamp.now()
        var sleepers: [UInt64: Sleeper] = [:]
        var cancelled: Set<UInt64> = []
        var number: UInt64 = 0
        var woken = 0
        /// Whose sleep is over, and who has not been on a thread since.
        var waking = 0
        /// How far the wall clock was set away from it, in microseconds.
        var wallBy: Int64 = 0
    }

    private let state = Mutex(State())

    var now: Timestamp { state.withLock { Timestamp(microseconds: $0.now.microseconds + $0.wallBy) } }
    var uptimeMS: UInt64 { state.withLock { UInt64($0.now.microseconds / 1000) } }
    /// Sleeping ends so far.
    var woken: Int { state.withLock { $0.woken } }
    /// Whether all whose sleep is over know it, and these sleep: as many as given, and one until the time given.
    func isStill(sleepers: Int, timerUntilMS: UInt64?) -> Bool {
        state.withLock { state in
            guard state.waking == 0, state.sleepers.count >= sleepers + (timerUntilMS == nil ? 0 : 1) else { return false }
            return timerUntilMS.map { until in state.sleepers.values.contains { UInt64($0.until.microseconds / 1000) == until } } ?? true
        }
    }
    /// When the first of the sleepers has slept enough, by the wall clock.
    var next: Timestamp? {
        state.withLock { state in
            state.sleepers.values.map(\.until).min().map { Timestamp(microseconds: $0.microseconds + state.wallBy) }
        }
    }

    /// Sets the wall clock; nobody sleeps longer or shorter for it.
    func setWall(by milliseconds: Int64) { state.withLock { $0.wallBy += milliseconds * 1000 } }

    func sleep(milliseconds: UInt64) async {
        let (number, until) = state.withLock { state in
            state.number += 1
            return (state.number, Timestamp(microseconds: state.now.microseconds + Int64(clamping: milliseconds) * 1000))
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.cancelled.remove(number) != nil || state.now >= until {
                        state.waking += 1
                        return true
                    }
                    state.sleepers[number] = Sleeper(until: until, continuation: continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: number)
                if sleeper == nil { state.cancelled.insert(number) } else { state.waking += 1 }
                return sleeper
            }
            sleeper?.continuation.resume()
        }
        state.withLock {
            $0.woken += 1
            $0.waking -= 1
        }
    }

    func advance(to time: Timestamp) {
        let over = state.withLock { state in
            state.now = max(state.now, Timestamp(microseconds: time.microseconds - state.wallBy))
            let now = state.now
            let over = state.sleepers.filter { $0.value.until <= now }
            for number in over.keys { state.sleepers[number] = nil }
            state.waking += over.count
            return over.values.sorted { $0.until < $1.until }
        }
        for sleeper in over { sleeper.continuation.resume() }
    }
}

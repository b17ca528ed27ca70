import Seeded
import Testing

@testable import Reactor

/// The wheel with its caller, as `EventLoop` uses it, against a plain list of deadlines.
@Suite struct TimerWheelTests {
    /// A wheel and what its sources would remember.
    private struct Timers {
        var wheel: TimerWheel
        var deadlines: [UInt64]
        var now: UInt64
        var fired: [(slot: UInt32, deadline: UInt64)] = []

        init(_ count: Int, now: UInt64) {
            wheel = TimerWheel(nowMS: now)
            wheel.grow(to: count)
            deadlines = [UInt64](repeating: 0, count: count)
            self.now = now
        }

        mutating func set(_ slot: Int, afterMS: UInt64) {
            deadlines[slot] = now + afterMS
            wheel.arm(UInt32(slot), deadlineMS: deadlines[slot])
        }

        /// The two ways a source loses its deadline: forgotten by its owner only, or unregistered.
        mutating func clear(_ slot: Int, unregister: Bool) {
            deadlines[slot] = 0
            if unregister { wheel.disarm(UInt32(slot)) }
        }

        mutating func advance(to now: UInt64) {
            self.now = now
            var due: [UInt32] = []
            wheel.advance(toMS: now, into: &due)
            for slot in due where deadlines[Int(slot)] != 0 {
                if deadlines[Int(slot)] > now {
                    wheel.arm(slot, deadlineMS: deadlines[Int(slot)])
                } else {
                    fired.append((slot, deadlines[Int(slot)]))
                    deadlines[Int(slot)] = 0
                }
            }
        }
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>) func nothingIsEarlyLateOrLost(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var timers = Timers(20, now: random.next() >> 20)
        var model = [UInt64](repeating: 0, count: 20)
        // Short and long deadlines, and over several rotations of 65.5 s.
        let scales: [UInt64] = [1, 7, 8, 9, 100, 5_000, 65_536, 65_544, 200_000, 1_000_000]
        for step in 0..<1500 {
            let slot = Int.random(in: 0..<20, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let after = UInt64.random(in: 1...scales[Int.random(in: 0..<scales.count, using: &random)], using: &random)
                timers.set(slot, afterMS: after)
                model[slot] = timers.deadlines[slot]
            case 5:
                timers.clear(slot, unregister: true)
                model[slot] = 0
            case 6:
                timers.clear(slot, unregister: false)
                model[slot] = 0
            default:
                let leap = UInt64.random(in: 0...(Int.random(in: 0..<20, using: &random) == 0 ? 300_000 : 40), using: &random)
                timers.advance(to: timers.now + leap)
                for (slot, deadline) in timers.fired {
                    #expect(deadline <= timers.now, "early")
                    #expect(model[Int(slot)] == deadline, "seed \(seed), step \(step): fired twice, or after it was cleared")
                    model[Int(slot)] = 0
                }
                timers.fired = []
                // Late by one tick at most (the one in progress), however far the clock leapt.
                for deadline in model where deadline != 0 {
                    #expect(deadline + TimerWheel.tickMS > timers.now, "seed \(seed), step \(step): lost or late")
                }
            }
        }
        timers.advance(to: timers.now + 2_000_000)
        #expect(timers.deadlines.allSatisfy { $0 == 0 })
        for (slot, deadline) in timers.fired { #expect(model[Int(slot)] == deadline) }
        #expect(timers.fired.count == model.count { $0 != 0 })
    }

    /// A loop that sleeps as long as the wheel says wakes for every deadline in time.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func theWaitNeverOversleeps(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var timers = Timers(8, now: 1_000_003)
        for _ in 0..<400 {
            if timers.deadlines.allSatisfy({ $0 == 0 }) || Bool.random(using: &random) {
                timers.set(Int.random(in: 0..<8, using: &random), afterMS: UInt64.random(in: 1...90_000, using: &random))
            }
            let horizon = UInt64.random(in: 0...120_000, using: &random)
            let wait = timers.wheel.waitMS(nowMS: timers.now, horizonMS: horizon)
            #expect(wait <= horizon)
            if let earliest = timers.deadlines.filter({ $0 != 0 }).min() {
                #expect(timers.now + wait <= earliest + TimerWheel.tickMS)
            }
            timers.advance(to: timers.now + wait)
            let late = timers.deadlines.filter { $0 != 0 && $0 + TimerWheel.tickMS <= timers.now }
            #expect(late.isEmpty)
        }
        #expect(timers.fired.count > 50)
    }

    @Test func anEmptyWheelWaitsForTheHorizon() {
        var timers = Timers(1, now: 5000)
        for horizon in [0, 1, 8, 1000, 60_000] as [UInt64] {
            #expect(timers.wheel.waitMS(nowMS: 5000, horizonMS: horizon) == horizon)
        }
        timers.set(0, afterMS: 100)
        #expect(timers.wheel.waitMS(nowMS: 5000, horizonMS: 50) == 50)
        let wait = timers.wheel.waitMS(nowMS: 5000, horizonMS: 1000)
        #expect(wait >= 100 && wait <= 108)
        timers.clear(0, unregister: true)
        #expect(timers.wheel.waitMS(nowMS: 5000, horizonMS: 1000) == 1000)
    }

    /// A deadline that moves later costs no move; one that moves earlier is kept all the same.
    @Test func deadlinesMoveBothWays() {
        var timers = Timers(1, now: 0)
        timers.set(0, afterMS: 1000)
        for _ in 0..<10 {
            timers.advance(to: timers.now + 500)
            timers.set(0, afterMS: 1000)
        }
        #expect(timers.fired.isEmpty)
        timers.set(0, afterMS: 16)
        timers.advance(to: timers.now + 32)
        #expect(timers.fired.count == 1)
    }

    @Test func manySlotsInOneBucket() {
        var timers = Timers(1000, now: 0)
        for slot in 0..<1000 { timers.set(slot, afterMS: 100) }
        for slot in stride(from: 0, to: 1000, by: 3) { timers.clear(slot, unregister: true) }
        timers.advance(to: 120)
        #expect(Set(timers.fired.map(\.slot)) == Set((0..<1000 as Range<UInt32>).filter { $0 % 3 != 0 }))
    }
}

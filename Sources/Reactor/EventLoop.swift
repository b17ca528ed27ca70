internal import CShim
public import Exchanges
public import Threads

/// One thread's reactor: descriptors, deadlines, a clock read once per turn, work for the turn's end.
///
/// Not Sendable: created on its thread and never leaves it. Other threads reach it through a `Mailbox`.
public final class EventLoop {
    /// Monotonic nanoseconds, read once per turn.
    public private(set) var nowNS: UInt64
    /// The same in milliseconds: the unit of deadlines.
    public private(set) var nowMS: UInt64

    private let poller: EpollPoller
    private var wheel: TimerWheel
    private var due: [UInt32] = []
    private var sources: [Source?] = []
    private var generations: [UInt32] = []
    private var freeSlots: [UInt32] = []
    private var running = true
    private var postponed: [UInt64] = []
    private var ending: [UInt64] = []

    /// Buffers of this worker's connections.
    public let buffers = BufferPool()
    /// Called at the end of each turn, before the loop waits again (log flush, drain checks).
    public var endOfTurn: (() -> Void)?

    public init() throws(SystemError) {
        poller = try EpollPoller(batch: 512)
        nowNS = nx_monotonic_ns()
        nowMS = nowNS / 1_000_000
        wheel = TimerWheel(nowMS: nowMS)
    }

    // MARK: - Registration

    /// Gives the source a slot and, when it has a descriptor, watches it for both directions.
    /// - Returns: 0 or errno (the source is then not registered).
    public func register(_ source: Source, descriptor: Int32?) -> Int32 {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(sources.count)
            sources.append(nil)
            generations.append(0)
            wheel.grow(to: sources.count)
        }
        if let descriptor {
            let problem = poller.add(descriptor, token: token(slot))
            if problem != 0 {
                freeSlots.append(slot)
                return problem
            }
        }
        source.slot = slot
        sources[Int(slot)] = source
        return 0
    }

    /// Forgets the source; reports still in the batch find another generation. Close the descriptor
    /// afterwards: closing is what takes it out of the poller.
    public func unregister(_ source: Source) {
        let i = Int(source.slot)
        guard i < sources.count, sources[i] === source else { return }
        wheel.disarm(source.slot)
        sources[i] = nil
        generations[i] &+= 1
        freeSlots.append(source.slot)
        source.slot = .max
        source.deadlineMS = 0
    }

    /// `successor` takes the place of `source`: its slot, its descriptor's reports and its deadline.
    /// What `source` had postponed is the successor's to do.
    public func replace(_ source: Source, with successor: Source) {
        let i = Int(source.slot)
        guard i < sources.count, sources[i] === source else { return }
        sources[i] = successor
        successor.slot = source.slot
        successor.deadlineMS = source.deadlineMS
        source.slot = .max
        source.deadlineMS = 0
    }

    private func token(_ slot: UInt32) -> UInt64 { UInt64(generations[Int(slot)]) << 32 | UInt64(slot) }

    // MARK: - Deadlines

    /// Sets the source's one deadline, `afterMS` from this turn; 0 clears it.
    public func setDeadline(_ source: Source, afterMS: UInt64) {
        guard source.slot != .max else { return }
        if afterMS == 0 {
            source.deadlineMS = 0  // the wheel finds out when it looks
            return
        }
        source.deadlineMS = nowMS &+ afterMS
        wheel.arm(source.slot, deadlineMS: source.deadlineMS)
    }

    private func runDeadlines() {
        wheel.advance(toMS: nowMS, into: &due)
        guard !due.isEmpty else { return }
        for slot in due {
            guard let source = sources[Int(slot)], source.deadlineMS != 0 else { continue }
            if source.deadlineMS > nowMS {
                wheel.arm(slot, deadlineMS: source.deadlineMS)
            } else {
                source.deadlineMS = 0
                source.deadlinePassed()
            }
        }
        due.removeAll(keepingCapacity: true)
    }

    // MARK: - Work left over

    /// Calls the source's `ready` again in the next turn, with nothing new from the kernel: for work
    /// that was cut short so that others get their turn.
    public func again(_ source: Source) {
        guard source.slot != .max else { return }
        postponed.append(token(source.slot))
    }

    /// Calls the source's `turnEnded` when all events of this turn have been seen. Ask once a turn.
    public func atEndOfTurn(_ source: Source) {
        guard source.slot != .max else { return }
        ending.append(token(source.slot))
    }

    /// What is asked for meanwhile is done as well.
    private func runEnding() {
        var i = 0
        while i < ending.count {
            source(for: ending[i])?.turnEnded()
            i += 1
        }
        ending.removeAll(keepingCapacity: true)
    }

    private func runPostponed() {
        guard !postponed.isEmpty else { return }
        let batch = postponed
        postponed.removeAll(keepingCapacity: true)
        for token in batch { source(for: token)?.ready([]) }
    }

    private func source(for token: UInt64) -> Source? {
        let slot = Int(UInt32(truncatingIfNeeded: token))
        guard slot < sources.count, generations[slot] == UInt32(truncatingIfNeeded: token >> 32) else { return nil }
        return sources[slot]
    }

    /// Calls `body` for every registered source (drain). Not for the request path.
    public func forEachSource(_ body: (Source) -> Void) {
        for source in sources { if let source { body(source) } }
    }

    // MARK: - Turning

    /// Runs until `stop`.
    public func run() {
        while running { turn(maxWaitMS: 1000) }
    }

    public func stop() { running = false }

    /// One turn: wait, report, run deadlines, end of turn.
    public func turn(maxWaitMS: UInt64) {
        let wait = postponed.isEmpty ? wheel.waitMS(nowMS: nowMS, horizonMS: maxWaitMS) : 0
        var clockRead = false
        poller.wait(timeoutMS: Int32(wait)) { token, readiness in
            if !clockRead {
                clockRead = true
                readClock()
            }
            source(for: token)?.ready(readiness)
        }
        if !clockRead { readClock() }
        runPostponed()
        runDeadlines()
        runEnding()
        endOfTurn?()
    }

    private func readClock() {
        nowNS = nx_monotonic_ns()
        nowMS = nowNS / 1_000_000
    }
}

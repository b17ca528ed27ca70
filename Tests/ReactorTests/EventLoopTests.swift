import Glibc
import Testing

@testable import Reactor

/// Remembers what it was told.
private final class Probe: Source {
    var reports: [Readiness] = []
    var passed = 0
    var onReady: (() -> Void)?
    var onDeadline: (() -> Void)?

    override func ready(_ readiness: Readiness) {
        reports.append(readiness)
        onReady?()
    }

    override func deadlinePassed() {
        passed += 1
        onDeadline?()
    }
}

extension EventLoop {
    /// Parts with every source and closure: those of these tests hold the loop in turn.
    fileprivate func forget() {
        endOfTurn = nil
        forEachSource { source in
            (source as? Probe)?.onReady = nil
            (source as? Probe)?.onDeadline = nil
            unregister(source)
        }
    }
}

@Suite struct EventLoopTests {
    @Test func readinessIsReportedOncePerChange() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let pair = SocketPair()
        let probe = Probe()
        #expect(loop.register(probe, descriptor: pair.a) == 0)
        loop.turn(maxWaitMS: 0)
        #expect(probe.reports == [.writable])
        loop.turn(maxWaitMS: 0)
        #expect(probe.reports.count == 1)
        pair.write("x", to: pair.b)
        loop.turn(maxWaitMS: 1000)
        #expect(probe.reports.count == 2 && probe.reports[1].contains(.readable))
        loop.turn(maxWaitMS: 0)  // not read, and not reported again
        #expect(probe.reports.count == 2)
        pair.closeB()
        loop.turn(maxWaitMS: 1000)
        #expect(probe.reports.last?.contains(.peerClosed) == true)
        loop.unregister(probe)
    }

    /// Two sources are ready in one batch; the first to be called unregisters the other and gives its
    /// slot to a third: the report that is still in the batch must reach nobody.
    @Test func staleReportsFindNobody() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let pairs = (0..<3).map { _ in SocketPair() }
        let probes = (0..<2).map { _ in Probe() }
        let newcomer = Probe()
        for (i, probe) in probes.enumerated() { #expect(loop.register(probe, descriptor: pairs[i].a) == 0) }
        for (i, probe) in probes.enumerated() {
            let other = probes[1 - i]
            probe.onReady = {
                guard newcomer.slot == .max else { return }
                let slot = other.slot
                loop.unregister(other)
                #expect(loop.register(newcomer, descriptor: nil) == 0)
                #expect(newcomer.slot == slot)
            }
        }
        loop.turn(maxWaitMS: 0)
        #expect(probes[0].reports.count + probes[1].reports.count == 1)
        #expect(newcomer.reports.isEmpty)
        loop.turn(maxWaitMS: 0)
        #expect(newcomer.reports.isEmpty)
    }

    @Test func slotsAreUsedAgain() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        var slots = Set<UInt32>()
        for _ in 0..<100 {
            let probe = Probe()
            #expect(loop.register(probe, descriptor: nil) == 0)
            slots.insert(probe.slot)
            loop.unregister(probe)
            #expect(probe.slot == .max)
            loop.unregister(probe)  // twice is nothing
        }
        #expect(slots.count == 1)
        let bad = Probe()
        #expect(loop.register(bad, descriptor: -1) == EBADF && bad.slot == .max)
        var count = 0
        loop.forEachSource { _ in count += 1 }
        #expect(count == 0)
    }

    @Test func deadlinesComeInTimeAndOnce() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let probes = (0..<5).map { _ in Probe() }
        for (i, probe) in probes.enumerated() {
            #expect(loop.register(probe, descriptor: nil) == 0)
            loop.setDeadline(probe, afterMS: UInt64(20 * (i + 1)))
            #expect(probe.deadlineMS == loop.nowMS + UInt64(20 * (i + 1)))
        }
        var times: [Int: UInt64] = [:]
        let started = loop.nowMS
        for (i, probe) in probes.enumerated() {
            probe.onDeadline = { [unowned probe] in
                #expect(probe.deadlineMS == 0)
                times[i] = loop.nowMS - started
            }
        }
        loop.setDeadline(probes[1], afterMS: 0)  // cleared
        loop.setDeadline(probes[2], afterMS: 150)  // later
        loop.setDeadline(probes[4], afterMS: 10)  // earlier
        loop.unregister(probes[3])
        for _ in 0..<1000 where loop.nowMS < started + 300 { loop.turn(maxWaitMS: 50) }
        #expect(probes.map(\.passed) == [1, 0, 1, 0, 1])
        // Never early; how late is the machine's business.
        #expect(times[0] ?? 0 >= 20 && times[2] ?? 0 >= 150 && times[4] ?? 0 >= 10)
    }

    /// A deadline handler may take away a source whose own deadline is due in the same turn.
    @Test func aSourceGoneMeanwhileIsNotCalled() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let pair = [Probe(), Probe()]
        for (i, probe) in pair.enumerated() {
            #expect(loop.register(probe, descriptor: nil) == 0)
            loop.setDeadline(probe, afterMS: 8)
            probe.onDeadline = { loop.unregister(pair[1 - i]) }
        }
        usleep(40_000)
        for _ in 0..<3 { loop.turn(maxWaitMS: 20) }
        #expect(pair[0].passed + pair[1].passed == 1)
        for probe in pair { probe.onDeadline = nil }  // they hold the pair
    }

    @Test func againCallsInTheNextTurnWithoutWaiting() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let probe = Probe()
        let gone = Probe()
        #expect(loop.register(probe, descriptor: nil) == 0 && loop.register(gone, descriptor: nil) == 0)
        var left = 3
        probe.onReady = {
            left -= 1
            if left > 0 { loop.again(probe) }
        }
        loop.again(probe)
        loop.again(gone)
        loop.unregister(gone)
        loop.again(Probe())  // never registered: nothing
        let started = loop.nowMS
        loop.turn(maxWaitMS: 10_000)
        #expect(probe.reports == [[]])
        loop.turn(maxWaitMS: 10_000)
        loop.turn(maxWaitMS: 10_000)
        #expect(probe.reports == [[], [], []] && gone.reports.isEmpty)
        #expect(loop.nowMS - started < 5_000)
        loop.turn(maxWaitMS: 0)
        #expect(probe.reports.count == 3)
    }

    @Test func theTurnEndsLastAndStopStops() throws {
        let loop = try EventLoop()
        defer { loop.forget() }
        let probe = Probe()
        #expect(loop.register(probe, descriptor: nil) == 0)
        var order: [String] = []
        probe.onReady = { order.append("ready") }
        probe.onDeadline = { order.append("deadline") }
        loop.endOfTurn = {
            order.append("end")
            loop.stop()
        }
        loop.setDeadline(probe, afterMS: 1)
        usleep(30_000)
        loop.again(probe)
        loop.run()
        #expect(order == ["ready", "deadline", "end"])
    }
}

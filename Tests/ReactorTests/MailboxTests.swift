import Glibc
import Synchronization
import Testing

@testable import Reactor
import Threads

@Suite struct MailboxTests {
    @Test func keepsOrderAndBound() throws {
        let mailbox = try Mailbox<Int>(capacity: 4)
        #expect(mailbox.post(1) && mailbox.post(contentsOf: [2, 3]) && mailbox.post(4))
        #expect(!mailbox.post(5))
        var batch: [Int] = []
        mailbox.take(into: &batch)
        #expect(batch == [1, 2, 3, 4])
        // All or nothing.
        #expect(mailbox.post(contentsOf: [1, 2, 3]))
        #expect(!mailbox.post(contentsOf: [4, 5]))
        #expect(mailbox.post(6))
        batch = []
        mailbox.take(into: &batch)
        #expect(batch == [1, 2, 3, 6])
        batch = []
        mailbox.take(into: &batch)
        #expect(batch.isEmpty)
    }

    @Test func aClosedOneRefusesButIsReadOut() throws {
        let mailbox = try Mailbox<Int>(capacity: 4)
        #expect(mailbox.post(1))
        mailbox.close()
        #expect(!mailbox.post(2) && !mailbox.post(contentsOf: [2]))
        var batch: [Int] = []
        mailbox.take(into: &batch)
        #expect(batch == [1])
    }

    /// Four threads post with numbers; a loop reads. Nothing is lost or doubled, and each poster's
    /// messages come in its order, through a mailbox so small that posters are refused and try again.
    @Test func manyPostersOneReader() throws {
        let posters = 4
        let each = 5_000
        let mailbox = try Mailbox<Int>(capacity: 64)
        let refused = Atomic<Int>(0)
        let loop = try EventLoop()
        var next = [Int](repeating: 0, count: posters)
        var received = 0
        let reader = try MailboxReader(mailbox, on: loop) { message in
            let poster = message / each
            #expect(message % each == next[poster])
            next[poster] = message % each + 1
            received += 1
            if received == posters * each { loop.stop() }
        }
        let threads = try (0..<posters).map { poster in
            try NamedThread(name: "poster") { @Sendable in
                for i in 0..<each {
                    while !mailbox.post(poster * each + i) {
                        refused.add(1, ordering: .relaxed)
                        sched_yield()
                    }
                }
            }
        }
        loop.run()
        for thread in threads { thread.join() }
        #expect(next == [Int](repeating: each, count: posters))
        #expect(received == posters * each)
        loop.unregister(reader)
    }

    /// A message that comes while the loop waits ends the wait.
    @Test func postingWakes() throws {
        let mailbox = try Mailbox<Int>(capacity: 1)
        let loop = try EventLoop()
        var got: Int?
        let reader = try MailboxReader(mailbox, on: loop) { got = $0 }
        loop.turn(maxWaitMS: 0)
        let started = loop.nowMS
        let thread = try NamedThread(name: "later") {
            usleep(20_000)
            _ = mailbox.post(7)
        }
        loop.turn(maxWaitMS: 10_000)
        #expect(got == 7)
        #expect(loop.nowMS - started < 5_000)
        thread.join()
        loop.unregister(reader)
    }

    @Test func aThreadRunsItsClosureAndIsJoined() throws {
        let ran = Mutex(0)
        let thread = try NamedThread(name: "a name that is longer than fifteen", cpu: 0) {
            usleep(10_000)
            ran.withLock { $0 += 1 }
        }
        thread.join()
        #expect(ran.withLock { $0 } == 1)
        thread.join()  // does nothing the second time
    }
}

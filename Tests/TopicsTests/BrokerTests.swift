import Exchanges
import Synchronization
import Testing

@testable import Topics
import WireMQTT

/// The thread, its inbox and its questions.
@Suite struct BrokerTests {
    final class Mailbox: Sendable {
        private let replies = Mutex<[BrokerReply]>([])
        func take(_ more: [BrokerReply]) -> Bool {
            replies.withLock { $0 += more }
            return true
        }
        var all: [BrokerReply] { replies.withLock { $0 } }
        /// What passes, once it is there.
        func first<T>(_ passes: (BrokerReply) -> T?) async throws -> T {
            for _ in 0..<30_000 {
                if let found = all.lazy.compactMap(passes).first { return found }
                try await Task.sleep(for: .milliseconds(2))
            }
            throw Late()
        }
        struct Late: Error {}
    }

    private func attach(_ name: String, _ slot: UInt32, expiry: UInt32 = 3600, will: Will? = nil) -> BrokerRequest {
        .attach(
            Attach(
                ticket: Ticket(worker: 0, slot: slot, generation: 0), clientID: bytes(name), owner: [], version: .v5, cleanStart: false,
                sessionExpiry: expiry, receiveMaximum: 10, will: will))
    }

    @Test func requestsAreAnsweredFromTheThread() async throws {
        let mailbox = Mailbox()
        let store = MemorySessionStore()
        let broker = try Broker(store: store, workers: 1) { _, replies in mailbox.take(replies) }
        #expect(broker.submit(attach("one", 1)))
        let attached = try await mailbox.first(\.attached)
        let ticket = Ticket(worker: 0, slot: 1, generation: 0)
        #expect(broker.submit(.subscribe(attached.session, ticket, packetID: 1, [.success(subscription("a", .exactlyOnce))])))
        #expect(try await broker.publish(message("a", "hello")) == 1)
        let delivery = try await mailbox.first { $0.deliveries.first }
        #expect(delivery.text == "hello")
        #expect(await broker.sessions().map(\.queued) == [1])
        #expect(await broker.kick(clientID: bytes("one")))
        #expect(try await mailbox.first(\.ended) == .administrativeAction)
        #expect(await !broker.kick(clientID: bytes("one")))
        let figures = broker.figures
        #expect(figures.sessions == 1 && figures.connected == 0 && figures.deliveries == 1 && figures.commits > 0)
        broker.close()
        #expect(!broker.submit(attach("two", 2)))
        #expect(store.rows.queues.values.flatMap(\.values).compactMap(\.sent).count == 1)
    }

    @Test func timersRunWithoutRequests() async throws {
        let mailbox = Mailbox()
        let broker = try Broker(store: nil, workers: 1) { _, replies in mailbox.take(replies) }
        #expect(broker.submit(attach("one", 1, will: Will(message("gone"), delay: 1))))
        let attached = try await mailbox.first(\.attached)
        #expect(broker.submit(.detach(attached.session, Ticket(worker: 0, slot: 1, generation: 0), .lost(sessionExpiry: nil))))
        #expect(try await mailbox.first(\.will).1.clientID == bytes("one"))
        broker.close()
    }

    @Test func refusedMessagesCanBeReadAndRemoved() async throws {
        for store in [nil, MemorySessionStore()] {
            let mailbox = Mailbox()
            let broker = try Broker(store: store, workers: 1) { _, replies in mailbox.take(replies) }
            let refused = RefusedMessage(
                topic: [1], payload: [], clientID: [], subject: [], qos: .atLeastOnce, code: "NOT_FOUND", reason: "", atMS: 0)
            #expect(broker.submit(.refuse(refused, Ticket(worker: 0, slot: 1, generation: 0))))
            _ = try await mailbox.first { $0.isKept ? true : nil }
            let entry = try #require(try await broker.refused().first)
            #expect(entry.message == refused)
            #expect(await broker.forgetRefused(entry.number))
            #expect(try await broker.refused().isEmpty)
            broker.close()
        }
    }

    @Test func aFullInboxRefuses() throws {
        let inbox = BrokerInbox(capacity: 2)
        #expect(inbox.put(.request(attach("a", 1))) && inbox.put(.request(attach("b", 2))))
        #expect(!inbox.put(.request(attach("c", 3))))
        var taken: [BrokerInbox.Item] = []
        #expect(inbox.take(into: &taken, waitingMS: 1000) && taken.count == 2)
        #expect(!inbox.put(.request(attach("c", 3))))
        inbox.finished(2)
        #expect(inbox.put(.request(attach("c", 3))))
    }
}

import Exchanges
import Pipeline
import Routes
import Testing

@Suite struct ExchangeTests {
    /// Nothing of one life is left in the next, and a ticket of the old one fits no more.
    @Test func recyclingForgets() {
        let exchange = Exchange(ticket: Ticket(worker: 3, slot: 9, generation: .max))
        let old = exchange.ticket
        exchange.head.fields.append(Field(name: .host, nameText: .none, value: .none))
        exchange.head.verb = .post
        exchange.text = Buffer(capacity: 8)
        exchange.body = Buffer(capacity: 8)
        exchange.route = 4
        exchange.done = [StageSet(.shield)]
        exchange.trail.leave(Mark(stage: .shield, word: .refused, rule: 1))
        exchange.requestBody = .known(5)
        exchange.bodyComplete = true
        exchange.bodyBegun = true
        exchange.sent.kept = Buffer(capacity: 8)
        exchange.sent.isLost = true
        exchange.sent.isWhole = true
        exchange.startedNS = 1
        exchange.endsByMS = 1
        exchange.bytesIn = 1
        exchange.bytesOut = 1
        exchange.status = 200
        exchange.attempts = 2
        exchange.wantsUpgrade = true
        exchange.continuesTrace = true
        exchange.correlationID.append("secret" as StaticString)
        exchange.endpoint = [1]

        exchange.recycle()
        #expect(exchange.ticket != old && exchange.ticket.slot == 9 && exchange.ticket.worker == 3)
        #expect(exchange.head.fields.isEmpty && exchange.head.verb == .get)
        #expect(exchange.text == nil && exchange.body == nil && exchange.wire == nil && exchange.origin == nil)
        #expect(exchange.route == Rule.none && exchange.done == [] && exchange.trail[.shield] == nil)
        #expect(exchange.requestBody == .none && !exchange.bodyComplete && !exchange.bodyBegun)
        #expect(exchange.sent.kept == nil && !exchange.sent.isLost && !exchange.sent.isWhole)
        #expect(exchange.startedNS == 0 && exchange.endsByMS == 0 && exchange.bytesIn == 0 && exchange.bytesOut == 0)
        #expect(exchange.status == 0 && exchange.attempts == 0 && !exchange.wantsUpgrade && !exchange.continuesTrace)
        #expect(exchange.correlationID.isEmpty && exchange.endpoint.isEmpty && exchange.captures.count == 0)
    }

    @Test func aRequestIsRepeatableWhileAllOfItIsHere() {
        let exchange = Exchange(ticket: Ticket(worker: 0, slot: 0, generation: 0))
        exchange.sent.isLost = true
        #expect(exchange.isRepeatable)  // it has no body
        exchange.requestBody = .known(5)
        #expect(!exchange.isRepeatable)
        exchange.sent.isLost = false
        #expect(exchange.isRepeatable)
        exchange.sent.isLost = true
        exchange.body = Buffer(capacity: 8)
        #expect(exchange.isRepeatable)
    }

    @Test func sizesSayWhatTheyKnow() {
        #expect(BodySize.none.bytes == 0 && BodySize.known(7).bytes == 7 && BodySize.unknown.bytes == nil)
    }
}

import Seeded
import Testing

@testable import Gateway

@Suite struct OutgoingAliasesTests {
    private func topic(_ number: Int) -> [UInt8] { Array("shop/orders/\(number)/status".utf8) }

    /// Sends as a connection does.
    private func send(_ topic: [UInt8], _ table: OutgoingAliases) -> OutgoingAliases.Choice {
        let choice = table.find(topic)
        if case .new(let alias) = choice { table.sent(topic, as: alias) }
        return choice
    }

    @Test func aTopicGoesWithItsAliasOnceAndThenTheAliasAlone() {
        let table = OutgoingAliases(most: 2)
        #expect(send(topic(1), table) == .new(1))
        #expect(send(topic(2), table) == .new(2))
        #expect(send(topic(1), table) == .known(1))
        #expect(send(topic(2), table) == .known(2))
    }

    @Test func whatWasOfferedAndNotSentIsNotKnown() {
        let table = OutgoingAliases(most: 2)
        #expect(table.find(topic(1)) == .new(1))
        #expect(table.find(topic(1)) == .new(1))
        #expect(send(topic(2), table) == .new(1))
    }

    @Test func whatComesOftenOutlastsWhatComesOnce() {
        let table = OutgoingAliases(most: 2)
        _ = send(topic(0), table)
        var hits = 0
        for number in 1..<100 {
            _ = send(topic(number), table)
            if send(topic(0), table) == .known(1) { hits += 1 }
        }
        #expect(hits == 99)
    }

    @Test func whatIsNotUsedAnyMoreMakesRoom() {
        let table = OutgoingAliases(most: 2)
        for number in [1, 2, 1, 2] { _ = send(topic(number), table) }
        // Two looks that find them used, one that takes the first place.
        let choices = (1...3 * OutgoingAliases.missesPerPlace).map { _ in send(topic(3), table) }
        #expect(choices.dropLast().allSatisfy { $0 == .none } && choices.last == .new(1))
        #expect(send(topic(3), table) == .known(1))
        #expect(send(topic(1), table) == .none, "its number is another's now")
    }

    @Test func ofTopicsThatTakeTurnsMostKeepTheirs() {
        let table = OutgoingAliases(most: 8)
        var known = 0
        for number in 0..<900 {
            if case .known = send(topic(number % 9), table) { known += 1 }
        }
        #expect(known > 700)
    }

    @Test func theirBytesAreBounded() {
        let table = OutgoingAliases(most: 100)
        let long = (0..<3).map { [UInt8](repeating: 0x61 + UInt8($0), count: 8000) }
        #expect(send(long[0], table) == .new(1))
        #expect(send(long[1], table) == .new(2))
        let choices = (1...OutgoingAliases.missesPerPlace).map { _ in send(long[2], table) }
        #expect(choices.last == .new(1), "in the place of another")
        #expect(send(long[1], table) == .known(2))
        #expect(send(topic(1), table) == .new(3))
    }

    /// A client that keeps the table as the standard says hears the right topic each time, whatever comes.
    @Test(arguments: 1...6) func aClientUnderstandsAll(_ most: Int) {
        var random = Seeded(state: UInt64(most))
        let table = OutgoingAliases(most: most)
        var known: [UInt16: [UInt8]] = [:]
        for _ in 0..<2000 {
            let topic = topic(random.count(0...9) * random.count(0...1))
            let choice = table.find(topic)
            switch choice {
            case .none: continue
            case .new(let alias):
                #expect(alias >= 1 && Int(alias) <= most)
                // Some packets are too large with it, and go without.
                guard random.count(0...3) > 0 else { continue }
                known[alias] = topic
                table.sent(topic, as: alias)
            case .known(let alias): #expect(known[alias] == topic)
            }
        }
    }
}

import Testing

@testable import Gateway

@Suite struct IncomingMessagesTests {
    @Test func thoseThatWereAnsweredAreCounted() {
        var incoming = IncomingMessages()
        #expect(incoming.answered == 0 && incoming[1] == nil)
        for packetID in 1...3 as ClosedRange<UInt16> { incoming[packetID] = .inWork }
        #expect(incoming.answered == 0, "their answers are still to come")
        incoming[1] = .taken(by: .log)
        incoming[2] = .taken(by: .broker)
        #expect(incoming.answered == 2)
        incoming[1] = .releasing(left: 2, isKnown: false)
        incoming[1] = .releasing(left: 1, isKnown: true)
        #expect(incoming.answered == 2)
        incoming[1] = nil
        incoming[1] = nil
        incoming[3] = nil
        #expect(incoming.answered == 1)
        incoming[2] = .inWork
        #expect(incoming.answered == 0)
    }
}

import Seeded
import Testing
import WireMQTT

@testable import Gateway

@Suite struct AcknowledgementOrderTests {
    @Test func answersLeaveInTheOrderOfTheirMessages() {
        var order = AcknowledgementOrder()
        let numbers = (1...3).map { order.begin(UInt16($0), isExactlyOnce: $0 == 2) }
        order.settle(numbers[2], .success)
        order.settle(numbers[1], .notAuthorized, text: [0x6e])
        #expect(order.next()?.packetID == nil)
        order.settle(numbers[0], .success)
        let all = [order.next(), order.next(), order.next()].compactMap { $0 }
        #expect(all.map(\.packetID) == [1, 2, 3])
        #expect(all.map(\.isExactlyOnce) == [false, true, false])
        #expect(all[1].reason == .notAuthorized && all[1].text == [0x6e])
        #expect(order.next()?.packetID == nil)
        #expect(order.isEmpty && order.count == 0)
    }

    @Test func whatIsNoLongerWaitedForIsSettledWithoutEffect() {
        var order = AcknowledgementOrder()
        let first = order.begin(7, isExactlyOnce: false)
        order.settle(first, .success)
        #expect(order.next()?.packetID == 7)
        let second = order.begin(7, isExactlyOnce: false)
        order.settle(first, .unspecifiedError)
        order.settle(second + 1, .unspecifiedError)
        #expect(order.next()?.packetID == nil)
        order.settle(second, .success)
        #expect(order.next()?.reason == .success)
    }

    @Test(arguments: 1...40) func inWhateverOrderTheyAreSettled(seed: UInt64) {
        var random = Seeded(state: seed)
        var order = AcknowledgementOrder()
        var open: [UInt64] = []
        var sent: UInt16 = 0
        var answered: UInt16 = 0
        for _ in 0..<2000 {
            if Bool.random(using: &random) {
                sent += 1
                open.append(order.begin(sent, isExactlyOnce: false))
            } else if !open.isEmpty {
                order.settle(open.remove(at: Int.random(in: 0..<open.count, using: &random)), .success)
            }
            while let answer = order.next() {
                answered += 1
                #expect(answer.packetID == answered)
            }
            #expect(order.count == Int(sent - answered))
        }
    }
}

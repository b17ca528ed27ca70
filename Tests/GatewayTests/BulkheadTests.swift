import Exchanges
import Testing

@testable import Gateway

struct BulkheadTests {
    func ticket(_ slot: UInt32, worker: UInt16 = 0) -> Ticket { Ticket(worker: worker, slot: slot, generation: 1) }

    @Test func thirtyRunAndTheRestWaitInTheirOrder() {
        let bulkhead = Bulkhead()
        for i in 0..<30 { #expect(bulkhead.enter(ticket(UInt32(i)), most: 30, line: 100) == .inside) }
        for i in 30..<40 { #expect(bulkhead.enter(ticket(UInt32(i), worker: UInt16(i % 2)), most: 30, line: 100) == .waiting) }
        #expect(bulkhead.load == (30, 10))
        for i in 30..<40 { #expect(bulkhead.leave(most: 30) == ticket(UInt32(i), worker: UInt16(i % 2))) }
        #expect(bulkhead.load == (30, 0))
        for _ in 0..<30 { #expect(bulkhead.leave(most: 30) == nil) }
        #expect(bulkhead.load == (0, 0))
    }

    @Test func theLineHasAnEnd() {
        let bulkhead = Bulkhead()
        #expect(bulkhead.enter(ticket(0), most: 1, line: 1) == .inside)
        #expect(bulkhead.enter(ticket(1), most: 1, line: 1) == .waiting)
        #expect(bulkhead.enter(ticket(2), most: 1, line: 1) == .full)
        #expect(Bulkhead().enter(ticket(0), most: 1, line: 0) == .inside)
    }

    @Test func whoGivesUpIsForgotten() {
        let bulkhead = Bulkhead()
        for i in 0..<4 { _ = bulkhead.enter(ticket(UInt32(i)), most: 1, line: 10) }
        #expect(bulkhead.forget(ticket(2)) && !bulkhead.forget(ticket(2)))
        #expect(bulkhead.leave(most: 1) == ticket(1) && bulkhead.leave(most: 1) == ticket(3) && bulkhead.leave(most: 1) == nil)
    }

    @Test func aSmallerBulkheadEmptiesFirst() {
        let bulkhead = Bulkhead()
        for i in 0..<4 { _ = bulkhead.enter(ticket(UInt32(i)), most: 4, line: 10) }
        _ = bulkhead.enter(ticket(9), most: 2, line: 10)
        #expect(bulkhead.leave(most: 2) == nil && bulkhead.leave(most: 2) == nil)
        #expect(bulkhead.leave(most: 2) == ticket(9))
    }

    @Test func aLongLineKeepsItsOrder() {
        let bulkhead = Bulkhead()
        for i in 0..<5000 { _ = bulkhead.enter(ticket(UInt32(i)), most: 1, line: 10_000) }
        for i in 1..<3000 { #expect(bulkhead.leave(most: 1) == ticket(UInt32(i))) }
        for i in 5000..<6000 { _ = bulkhead.enter(ticket(UInt32(i)), most: 1, line: 10_000) }
        for i in 3000..<6000 { #expect(bulkhead.leave(most: 1) == ticket(UInt32(i))) }
    }
}

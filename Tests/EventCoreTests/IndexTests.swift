import Exchanges
import Seeded
import Testing

@testable import EventCore

/// What holds the records of requests in memory, against the plain thing.
@Suite struct IndexTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func aSegmentedQueueIsAQueue(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var queue = SegmentedQueue<Int>()
        var plain: [Int] = []
        var next = 0
        for _ in 0..<400 {
            switch UInt8.random(in: 0..<4, using: &random) {
            case 0: for _ in 0..<min(plain.count, Int.random(in: 0...1500, using: &random)) {
                queue.removeFirst()
                plain.removeFirst()
            }
            case 1:
                let n = min(plain.count, Int.random(in: 0...1500, using: &random))
                queue.removeLast(n)
                plain.removeLast(n)
            default: for _ in 0..<Int.random(in: 0...1100, using: &random) {
                queue.append(next)
                plain.append(next)
                next += 1
            }
            }
            #expect(queue.count == plain.count && plain.indices.allSatisfy { queue[$0] == plain[$0] })
        }
    }

    @Test func whatIsScatteredIsFound() {
        var all = Scattered<UInt64>()
        func key(_ i: UInt64) -> RepeatKey.Digest { .init(high: i / 1000, low: i &* 0x9E37_79B9_7F4A_7C15) }
        for i in 0..<5000 as Range<UInt64> { #expect(all.updateValue(i, forKey: key(i)) == nil) }
        #expect(all.updateValue(9, forKey: key(7)) == 7 && all[key(7)] == 9)
        all[key(8)] = nil
        #expect(all[key(8)] == nil && all[key(4999)] == 4999 && all[key(5000)] == nil)
    }
}

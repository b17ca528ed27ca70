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

    /// Few homes for many digests, so that they stand in each other's places, over the end of a table too; against a dictionary.
    @Test(arguments: [4, 5, 6] as [UInt64]) func aDigestTableIsADictionary(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var table = DigestTable()
        var plain: [RepeatKey.Digest: UInt64] = [:]
        for step in 0..<40_000 {
            let low = UInt64.random(in: 0..<3, using: &random) << 56 | (0 &- UInt64.random(in: 1...24, using: &random)) >> 8
            let key = RepeatKey.Digest(high: .random(in: 0..<40, using: &random), low: low)
            // It fills up, and is emptied.
            let leaves = UInt8.random(in: 0..<8, using: &random) < (step / 10_000 % 2 == 0 ? 2 : 6)
            switch UInt8.random(in: 0..<3, using: &random) {
            case 0:
                let n = leaves && plain[key] != nil ? -1 : 1
                table.add(n, to: key)
                plain[key, default: 0] &+= UInt64(bitPattern: Int64(n))
                if plain[key] == 0 { plain[key] = nil }
            default:
                let value = leaves ? 0 : UInt64.random(in: 1..<100, using: &random)
                #expect(table.set(key, to: value) == plain[key] ?? 0)
                plain[key] = value == 0 ? nil : value
            }
            #expect(table[key] == plain[key])
        }
        #expect(plain.allSatisfy { table[$0.key] == $0.value })
    }

    @Test func aDigestTableGrows() {
        var table = DigestTable()
        func key(_ i: UInt64) -> RepeatKey.Digest { .init(high: i / 1000, low: i &* 0x9E37_79B9_7F4A_7C15) }
        for i in 1...50_000 as ClosedRange<UInt64> { #expect(table.set(key(i), to: i) == 0) }
        #expect((1...50_000 as ClosedRange<UInt64>).allSatisfy { table[key($0)] == $0 } && table[key(50_001)] == nil)
        for i in 1...50_000 as ClosedRange<UInt64> { #expect(table.set(key(i), to: 0) == i) }
        #expect((1...50_000 as ClosedRange<UInt64>).allSatisfy { table[key($0)] == nil })
    }
}

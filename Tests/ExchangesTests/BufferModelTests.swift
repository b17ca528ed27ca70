import Exchanges
import Seeded
import Testing

/// Random operations on a buffer and on a plain array must come to the same bytes.
@Suite struct BufferModelTests {
    @Test(arguments: 1...60 as ClosedRange<UInt64>) func aBufferIsAnArrayWithTwoEnds(_ seed: UInt64) {
        var random = Seeded(state: seed)
        let buffer = Buffer(capacity: Int.random(in: 1...64, using: &random))
        var model: [UInt8] = []
        for step in 0..<400 {
            apply(&random, to: buffer, and: &model)
            guard buffer.copyReadable() == model, buffer.count == model.count, buffer.isEmpty == model.isEmpty else {
                Issue.record("seed \(seed), step \(step): \(buffer.copyReadable()) is not \(model)")
                return
            }
            #expect(buffer.free >= 0 && buffer.count + buffer.free <= buffer.capacity)
            if let i = model.indices.randomElement(using: &random) { #expect(buffer[i] == model[i]) }
        }
        // Doubling: never more than twice what was needed at once, plus one append's own margin.
        #expect(buffer.capacity <= 8192)
    }

    private func apply(_ random: inout Seeded, to buffer: Buffer, and model: inout [UInt8]) {
        let n = Int.random(in: 0...40, using: &random)
        let bytes = (0..<n).map { _ in UInt8.random(in: 0...255, using: &random) }
        switch Int.random(in: 0..<14, using: &random) {
        case 0:
            buffer.append(UInt8(n))
            model.append(UInt8(n))
        case 1:
            buffer.append(bytes)
            model += bytes
        case 2:
            buffer.append(bytes.span)
            model += bytes
        case 3:
            let slice = Slice(n / 3, n / 3 + n / 2)
            buffer.append(slice, of: bytes.span)
            model += bytes[slice.range]
        case 4:
            let value = random.next() >> UInt64.random(in: 0...63, using: &random)
            buffer.append(decimal: value)
            model += Array(String(value).utf8)
        case 5:
            let value = random.next() >> UInt64.random(in: 0...63, using: &random)
            buffer.append(hex: value)
            model += Array(String(value, radix: 16).utf8)
        case 6:
            buffer.append("a fixed text" as StaticString)
            model += Array("a fixed text".utf8)
        case 7:
            let k = Int.random(in: 0...model.count, using: &random)
            buffer.consume(k)
            model.removeFirst(k)
        case 8:
            let k = Int.random(in: 0...min(model.count, 20), using: &random)
            buffer.dropLast(k)
            model.removeLast(k)
        case 9:
            buffer.compact()
            #expect(buffer.count + buffer.free == buffer.capacity)
        case 10:
            buffer.reserve(n)
            #expect(buffer.free >= n)
        case 11:
            let taken = min(buffer.free, n)
            buffer.withUnsafeFree { $0.copyBytes(from: bytes.prefix(taken)) }
            buffer.produced(taken)
            model += bytes.prefix(taken)
        case 12:
            buffer.withMutableReadable { bytes in
                for i in 0..<bytes.count { bytes[i] ^= 0x55 }
            }
            model = model.map { $0 ^ 0x55 }
        default:
            if n < 4 {
                buffer.clear()
                model = []
            }
            let k = max(0, model.count - 200)
            buffer.consume(k)
            model.removeFirst(k)
        }
    }
}

import Exchanges
import Testing

@Suite struct BufferPoolTests {
    /// Storage comes with the first byte and goes with the last.
    @Test func anEmptyBufferHoldsNoStorage() {
        let pool = BufferPool()
        let buffer = Buffer(pool: pool)
        #expect(buffer.capacity == 0 && buffer.isEmpty)
        buffer.append(7)
        #expect(buffer.capacity == BufferPool.size && buffer[0] == 7)
        buffer.consume(1)
        buffer.giveBack()
        #expect(buffer.capacity == 0)
        buffer.giveBack()  // nothing to give a second time
        #expect(buffer.capacity == 0)
    }

    /// What one buffer gives back the next one takes, and finds clean.
    @Test func storageGoesRound() {
        let pool = BufferPool(bound: 1)
        let first = Buffer(pool: pool)
        first.append("left over" as StaticString)
        first.clear()
        first.giveBack()
        let second = Buffer(pool: pool)
        second.append(1)
        #expect(second.count == 1 && second.capacity == BufferPool.size)
        let third = Buffer(pool: pool)
        third.append(2)
        #expect(second.copyReadable() == [1] && third.copyReadable() == [2])
    }

    /// A buffer that outgrows the pool's storage keeps its bytes, and shrinks to nothing again.
    @Test func growthKeepsContent() {
        let buffer = Buffer(pool: BufferPool())
        let bytes = (0..<(3 * BufferPool.size)).map { UInt8(truncatingIfNeeded: $0) }
        for piece in stride(from: 0, to: bytes.count, by: 1000) {
            buffer.append(Array(bytes[piece..<min(piece + 1000, bytes.count)]))
        }
        #expect(buffer.copyReadable() == bytes && buffer.capacity > BufferPool.size)
        buffer.consume(bytes.count)
        buffer.giveBack()
        #expect(buffer.capacity == 0)
    }

    /// `trim` leaves just what the bytes need; writing goes on with pooled storage.
    @Test func trimKeepsTheBytesAndLittleElse() {
        let buffer = Buffer(pool: BufferPool())
        buffer.append("head and more" as StaticString)
        buffer.consume(9)
        buffer.trim()
        #expect(buffer.withReadable { $0.text } == "more" && buffer.capacity == 4)
        buffer.reserve(2048)
        #expect(buffer.withReadable { $0.text } == "more" && buffer.capacity == BufferPool.size)
        buffer.consume(4)
        buffer.trim()
        #expect(buffer.capacity == 0)
    }
}

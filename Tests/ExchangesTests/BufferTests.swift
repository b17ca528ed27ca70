import Exchanges
import Testing

@Suite struct BufferTests {
    private func written(capacity: Int = 1, _ write: (Buffer) -> Void) -> String {
        let buffer = Buffer(capacity: capacity)
        write(buffer)
        return buffer.withReadable { $0.text }
    }

    @Test func aNewBufferIsEmptyAndAllFree() {
        let buffer = Buffer(capacity: 7)
        #expect(buffer.isEmpty && buffer.count == 0 && buffer.free == 7 && buffer.capacity == 7)
        #expect(buffer.copyReadable() == [])
    }

    /// Every append, from a buffer that must grow in it.
    @Test func everyAppendAppends() {
        let text = written { buffer in
            buffer.append(0x61)
            buffer.append("bc" as StaticString)
            buffer.append([0x64, 0x65])
            buffer.append([0x66, 0x67].span)
            buffer.append("hé" as String)
            let source: [UInt8] = Array("..ij..".utf8)
            buffer.append(Slice(2, 4), of: source.span)
            buffer.append(decimal: 7)
            buffer.append(hex: 0xab)
        }
        #expect(text == "abcdefghéij7ab")
    }

    @Test func emptyAppendsChangeNothing() {
        let text = written { buffer in
            buffer.append("" as StaticString)
            buffer.append([])
            buffer.append("" as String)
            buffer.append([UInt8]().span)
            buffer.append(Slice.none, of: [1, 2].span)
        }
        #expect(text == "")
    }

    @Test func decimalIsWhatTheStandardLibraryWrites() {
        var values: [UInt64] = [0, 1, 9, .max, .max - 1]
        var power: UInt64 = 10
        while true {
            values += [power - 1, power, power + 1]
            let (next, over) = power.multipliedReportingOverflow(by: 10)
            if over { break }
            power = next
        }
        for value in values { #expect(written { $0.append(decimal: value) } == String(value)) }
    }

    @Test func hexadecimalIsWhatTheStandardLibraryWrites() {
        var values: [UInt64] = [0, 0x9, 0xa, 0xf, .max, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]
        for bits in 0..<64 as Range<UInt64> { values += [1 << bits, (1 << bits) - 1] }
        for value in values {
            let plain = String(value, radix: 16)
            #expect(written { $0.append(hex: value) } == plain)
            for digits in 1...16 {
                let padded = String(repeating: "0", count: max(0, digits - plain.count)) + plain
                // Fewer digits than the number has: its lowest ones.
                #expect(written { $0.append(hex: value, digits: digits) } == String(padded.suffix(digits)))
            }
        }
    }

    /// Growing in the middle of a number must not lose what stood before it.
    @Test func numbersGrowTheirBuffer() {
        let text = written(capacity: 1) { buffer in
            for i in 0..<50 as Range<UInt64> {
                buffer.append(hex: i)
                buffer.append(0x2c)
                buffer.append(decimal: i)
                buffer.append(0x20)
            }
        }
        let expected = (0..<50).map { String($0, radix: 16) + "," + String($0) + " " }.joined()
        #expect(text == expected)
    }

    @Test func consumingAllStartsOver() {
        let buffer = Buffer(capacity: 8)
        buffer.append("12345678" as StaticString)
        #expect(buffer.free == 0)
        buffer.consume(7)
        #expect(buffer.free == 0 && buffer.count == 1 && buffer[0] == 0x38)
        buffer.consume(1)
        #expect(buffer.free == 8 && buffer.isEmpty)
    }

    @Test func reserveMovesBeforeItGrows() {
        let buffer = Buffer(capacity: 8)
        buffer.append("12345678" as StaticString)
        buffer.consume(5)
        buffer.reserve(5)
        #expect(buffer.capacity == 8 && buffer.free == 5)
        #expect(buffer.withReadable { $0.text } == "678")
        buffer.reserve(6)
        #expect(buffer.capacity == 16 && buffer.free == 13)
        #expect(buffer.withReadable { $0.text } == "678")
    }

    @Test func whatTheKernelWritesIsDeclared() {
        let buffer = Buffer(capacity: 4)
        buffer.append(0x78)
        buffer.withUnsafeFree { free in
            #expect(free.count == 3)
            free[0] = 0x79
            free[1] = 0x7a
        }
        buffer.produced(2)
        #expect(buffer.withUnsafeReadable { Array($0) } == Array("xyz".utf8))
        #expect(buffer.free == 1)
    }

    @Test func readableCanBeChangedInPlace() {
        let buffer = Buffer(capacity: 4)
        buffer.append("abcd" as StaticString)
        buffer.consume(1)
        buffer.withMutableReadable { bytes in
            #expect(bytes.count == 3)
            bytes[0] = 0x42
        }
        #expect(buffer.copyReadable() == Array("Bcd".utf8))
    }

    /// Misuse ends the process instead of reading or writing somewhere else.
    @Test func whatLiesOutsideTraps() async {
        await #expect(processExitsWith: .failure) { Buffer(capacity: 4).consume(1) }
        await #expect(processExitsWith: .failure) { Buffer(capacity: 4).produced(5) }
        await #expect(processExitsWith: .failure) {
            let buffer = Buffer(capacity: 4)
            buffer.append(1)
            _ = buffer[1]
        }
        await #expect(processExitsWith: .failure) {
            Buffer(capacity: 4).append(Slice(1, 4), of: [1, 2, 3].span)
        }
    }
}

import Exchanges
import Seeded
import Testing
import WireGRPC

@Suite struct ProtobufTests {
    /// Fields as text; nil = malformed.
    func read(_ bytes: [UInt8]) -> [String]? {
        var reader = ProtobufFieldReader()
        var found: [String] = []
        do throws(ProtobufFieldReader.Fault) {
            while let field = try reader.next(bytes.span) {
                switch field.value {
                case .varint(let value): found.append("\(field.number)=\(value)")
                case .bytes(let slice): found.append("\(field.number):\(bytes.span.extracting(slice.range).text)")
                case .fixed: found.append("\(field.number)!")
                }
            }
        } catch {
            return nil
        }
        return found
    }

    @Test func everyWireType() {
        #expect(read([]) == [])
        #expect(read([0x08, 0x96, 0x01, 0x12, 2, 0x61, 0x62, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]) == ["1=150", "2:ab", "3!", "4!"])
        #expect(read([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]) == ["1=\(UInt64.max)"])
    }

    @Test(arguments: [
        [0x08], [0x08, 0x80], [0x12], [0x12, 1], [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x1d, 1, 2, 3],
        [0x21, 1], [0x0b], [0x0c], [0x0e], [0x0f], [0x00, 1],
        [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    ] as [[UInt8]])
    func malformed(_ bytes: [UInt8]) { #expect(read(bytes) == nil) }

    @Test func whatIsWrittenCanBeRead() {
        var text = ProtobufText()
        text.add(1, 0)
        text.add(1, 300)
        text.add(2, [])
        text.add(2, Array("ab".utf8))
        text.add(evenEmpty: 3, [])
        text.add(packed: 4, [])
        text.add(packed: 4, [1, 128])
        #expect(text.bytes == [0x08, 0xac, 0x02, 0x12, 2, 0x61, 0x62, 0x1a, 0, 0x22, 3, 1, 0x80, 0x01])
        #expect(read(text.bytes) == ["1=300", "2:ab", "3:", "4:\u{1}\u{fffd}\u{1}"])
    }

    /// Any bytes end in a result; what is read lies inside.
    @Test func anyBytes() {
        var random = Seeded(state: 45)
        for _ in 0..<20_000 {
            _ = read((0..<random.count(0...30)).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
    }
}

import Exchanges
import Testing

/// The byte comparisons that header and path code is made of.
@Suite struct ByteTextTests {
    private func equals(_ text: String, _ other: StaticString, ignoringCase: Bool) -> Bool {
        let bytes = Array(text.utf8)
        return ignoringCase ? bytes.span.equalsIgnoringCase(other) : bytes.span.equals(other)
    }

    private func decimal(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        return bytes.span.decimal
    }

    @Test func equalityIsExact() {
        #expect(equals("chunked", "chunked", ignoringCase: false))
        #expect(!equals("Chunked", "chunked", ignoringCase: false))
        #expect(!equals("chunke", "chunked", ignoringCase: false))
        #expect(!equals("chunkedd", "chunked", ignoringCase: false))
        #expect(equals("", "", ignoringCase: false))
    }

    @Test func caseIsIgnoredForLettersOnly() {
        #expect(equals("ChUnKeD", "chunked", ignoringCase: true))
        // 0x40 and 0x60, 0x5b and 0x7b … differ in the case bit and are no letters.
        for byte in UInt8.min...UInt8.max {
            let isLetter = (0x41...0x5a).contains(byte)
            #expect(byte.asciiLowercased == (isLetter ? byte + 0x20 : byte))
        }
        #expect(!equals("@", "`", ignoringCase: true))
        #expect(!equals("\r", "-", ignoringCase: true))
    }

    /// Both forms, array and constant, say the same for any pair that differs in one byte.
    @Test func oneByteDecides() {
        let word: [UInt8] = Array("x-a1".utf8)
        for i in word.indices {
            for byte in UInt8.min...UInt8.max {
                var other = word
                other[i] = byte
                #expect(other.span.equals(word) == (byte == word[i]))
                #expect(other.span.equals("x-a1") == (byte == word[i]))
                let same = byte == word[i] || ((0x41...0x5a).contains(byte) && byte | 0x20 == word[i])
                #expect(other.span.equalsIgnoringCase(word) == same)
                #expect(other.span.equalsIgnoringCase("x-a1") == same)
            }
        }
    }

    @Test func hexValueIsOfHexDigitsOnly() {
        let digits = Array("0123456789abcdef".utf8)
        let capitals = Array("0123456789ABCDEF".utf8)
        for byte in UInt8.min...UInt8.max {
            let expected = digits.firstIndex(of: byte) ?? capitals.firstIndex(of: byte)
            #expect(byte.hexValue.map(Int.init) == expected)
        }
    }

    @Test func decimalIsDigitsOnlyAndBounded() {
        #expect(decimal("0") == 0)
        #expect(decimal("007") == 7)
        #expect(decimal("999999999999999999") == 999_999_999_999_999_999)
        #expect(decimal("1000000000000000000") == nil)  // 19 digits
        for text in ["", "+1", "-1", " 1", "1 ", "1_000", "0x1", "1.0", "١", "1\0", "/", ":"] {
            #expect(decimal(text) == nil, "\(text)")
        }
    }

    @Test func slicesKnowTheirPlace() {
        let slice = Slice(3, 8)
        #expect(slice.range == 3..<8 && slice.end == 8 && slice.count == 5 && !slice.isEmpty)
        #expect(Slice.none.isEmpty && Slice.none.range == 0..<0)
        #expect(Slice(start: 3, count: 5) == slice)
    }

    @Test func textReplacesWhatIsNoUnicode() {
        let bytes: [UInt8] = [0x61, 0xff, 0x62]
        let text = bytes.span.text
        #expect(text == "a\u{fffd}b")
        let copy: [UInt8] = bytes.span.bytes
        #expect(copy == bytes)
    }
}

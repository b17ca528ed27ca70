import EventCore
import Testing

@Suite struct IdentifierTests {
    @Test func takesWhatItSays() {
        for text in ["u", "8f14e45f-ceea-467a-9b1c-1234567890ab", "käfer", "🦊", String(repeating: "x", count: 128), " "] {
            #expect(Identifier(text)?.description == text)
        }
    }

    @Test(arguments: [
        [], [UInt8](repeating: 97, count: 129), [0], [0x1F], [0x61, 0x0A], [0x7F], [0xC2, 0x80], [0xC2, 0x9F],
        [0xFF], [0xC3], [0xED, 0xA0, 0x80],
    ] as [[UInt8]])
    func refusesTheRest(_ bytes: [UInt8]) {
        #expect(Identifier(bytes) == nil)
    }

    @Test func comparesBytesNotCharacters() {
        #expect(Identifier("\u{E9}") != Identifier("e\u{301}"))
        #expect(Identifier("\u{A0}") != nil)
    }
}

@Suite struct EventIdTests {
    @Test func isAUUIDOfVersion7ThatOnlyGrows() {
        var source = EventIdSource()
        var last = source.next(at: 1_700_000_000_123_456)
        #expect(last.description.hasPrefix("018bcfe5-687b-7"))
        // Many in one millisecond, then a clock that steps back.
        for i in 0..<20_000 {
            let next = source.next(at: i < 10_000 ? 1_700_000_000_123_456 : 1_600_000_000_000_000)
            #expect((next.high, next.low) > (last.high, last.low))
            #expect(next.high >> 12 & 0xF == 7 && next.low >> 62 == 2)
            last = next
        }
    }

    @Test func writesItsText() {
        let id = EventId(high: 0x0123_4567_89AB_7DEF, low: 0x8123_4567_89AB_CDEF)
        #expect(id.description == "01234567-89ab-7def-8123-456789abcdef")
    }
}

@Suite struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000000Z"), (1_709_210_096_000_250, "2024-02-29T12:34:56.000250Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"), (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
        (-1, "1969-12-31T23:59:59.999999Z"), (1_735_689_599_000_000, "2024-12-31T23:59:59.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ] as [(Int64, String)])
    func isRFC3339(_ microseconds: Int64, _ text: String) {
        #expect(Timestamp(microseconds: microseconds).description == text)
    }
}

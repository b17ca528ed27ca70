import Exchanges
import Testing
import WireMQTT

/// Properties of messages (sections 2.2.2, 3.3.2.3), and UTF-8 (section 1.5.4).
@Suite struct PropertiesTests {
    private let all: [UInt8] =
        [0x01, 1] + [0x02] + u32(9) + user("a", "1") + [0x03] + text("text/plain") + [0x23] + u16(4) + [0x08] + text("re")
        + [0x09] + sized([0, 255]) + user("a", "2") + [0x0b, 0x80, 1] + [0x18] + u32(1) + user("", "")

    @Test func whatGoesOn() {
        let kept =
            [0x01, 1] + user("a", "1") + [0x03] + text("text/plain") + [0x08] + text("re") + [0x09] + sized([0, 255])
            + user("a", "2") + user("", "")
        #expect(forwarded(all) == kept)
        let shifted = [7, 7] + all + [7]
        #expect(forwarded(shifted, 2..<2 + all.count) == kept)
        #expect(forwarded(all, 0..<0) == [])
        let onlyOurs = [0x23] + u16(4) + [0x02] + u32(9)
        #expect(forwarded(onlyOurs) == [])
    }

    @Test func lookups() {
        let range = 0..<all.count
        let contentType = PublishProperties.contentType(range, in: all.span)
        let responseTopic = PublishProperties.responseTopic(range, in: all.span)
        let correlation = PublishProperties.correlationData(range, in: all.span)
        let saysText = PublishProperties.saysText(range, in: all.span)
        #expect(contentType.map(all.string) == "text/plain" && responseTopic.map(all.string) == "re" && saysText)
        #expect(correlation.map { Array(all[$0]) } == [0, 255])
        let none = PublishProperties.contentType(0..<0, in: all.span)
        let saysNothing = PublishProperties.saysText(0..<0, in: all.span)
        #expect(none == nil && !saysNothing)
        var pairs = UserProperties(range)
        var seen: [String] = []
        while let (name, value) = pairs.next(all.span) { seen.append(all.string(name) + "=" + all.string(value)) }
        #expect(seen == ["a=1", "a=2", "="])
    }

    @Test func writing() {
        var writer = PropertiesWriter()
        writer.payloadIsText()
        #expect(writer.contentType(Array("a/b".utf8)) && writer.responseTopic(Array("re".utf8)))
        #expect(writer.correlationData([0, 1]) && writer.user(Array("k".utf8), Array("v".utf8)))
        let whole = writer.bytes
        #expect(whole == [1, 1, 3] + text("a/b") + [8] + text("re") + [9] + sized([0, 1]) + user("k", "v"))
        let long = [UInt8](repeating: 0x61, count: 65_536)
        #expect(!writer.user(long, []) && !writer.user([], long) && !writer.contentType(long) && !writer.correlationData(long))
        #expect(!writer.user([0], []) && !writer.user([], [0xff]) && !writer.contentType([0xc0, 0x80]))
        #expect(!writer.responseTopic(Array("a/+".utf8)) && !writer.responseTopic([]))
        #expect(writer.bytes == whole, "what is refused leaves nothing behind")
        #expect(forwarded(whole) == whole)
    }

    /// MQTT-1.5.4-1 to -3. Every text is looked at alone, and behind characters that are looked at eight at once.
    @Test(arguments: [0, 1, 7, 8, 9, 16]) func texts(before: Int) {
        func isTaken(_ bytes: [UInt8]) -> Bool {
            let topic = [UInt8](repeating: 0x61, count: before) + bytes
            return refusal(packet(0x30, sized(topic + [0x7a])), .v311) == nil && refusal(packet(0x30, sized(topic)), .v311) == nil
        }
        let good: [[UInt8]] = [
            [0x01], [0x1f], [0x7f], [0xc2, 0x80], [0xdf, 0xbf], [0xe0, 0xa0, 0x80], [0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80],
            [0xef, 0xbb, 0xbf], [0xef, 0xbf, 0xbf], [0xef, 0xb7, 0x90], [0xf0, 0x90, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf],
            [0xc2, 0x80, 0x61, 0xf0, 0x9f, 0x98, 0x80],
        ]
        let bad: [[UInt8]] = [
            [0x00], [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80],
            [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0x80], [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80],
            [0xf5, 0x80, 0x80, 0x80], [0xff], [0xfe], [0xc2], [0xe1, 0x80], [0xf1, 0x80, 0x80], [0xc2, 0x41], [0xe1, 0x80, 0x41],
            [0xf1, 0x80, 0x80, 0x41], [0xe1, 0x41, 0x80], [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
        ]
        for bytes in good { #expect(isTaken(bytes), "\(bytes)") }
        for bytes in bad { #expect(!isTaken(bytes), "\(bytes)") }
    }

    /// Every sequence of one to three bytes, and of four by their ends, as the standard library decides.
    @Test func textsAgreeWithTheStandardLibrary() {
        func agrees(_ bytes: [UInt8]) -> Bool {
            PublishProperties.isText(bytes.span) == (String(validating: bytes, as: UTF8.self) != nil)
        }
        let edges: [UInt8] = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xff]
        for a in UInt8.min...UInt8.max {
            #expect(agrees([a]))
            for b in UInt8.min...UInt8.max {
                if !agrees([a, b]) { Issue.record("\(a) \(b)") }
                guard a >= 0xe0, edges.contains(b) else { continue }
                for c in edges {
                    if !agrees([a, b, c]) { Issue.record("\(a) \(b) \(c)") }
                    for d in edges where !agrees([a, b, c, d]) { Issue.record("\(a) \(b) \(c) \(d)") }
                }
            }
        }
    }
}

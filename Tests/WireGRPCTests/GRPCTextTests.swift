import Exchanges
import Seeded
import Testing
import WireGRPC

/// Field values: timeouts, messages, binary metadata.
@Suite struct GRPCTextTests {
    func written(_ write: (Buffer) -> Void) -> String {
        let out = Buffer(capacity: 16)
        write(out)
        return String(decoding: out.copyReadable(), as: UTF8.self)
    }

    // MARK: - grpc-timeout

    @Test(arguments: [
        ("0n", 0), ("1n", 1), ("999999n", 1), ("1000001n", 2), ("0u", 0), ("1u", 1), ("1000u", 1), ("1001u", 2), ("7m", 7),
        ("1S", 1000), ("00000001S", 1000), ("2M", 120_000), ("3H", 10_800_000), ("99999999H", 359_999_996_400_000),
        ("99999999n", 100),
    ] as [(String, UInt64)])
    func timeouts(_ text: String, _ milliseconds: UInt64) {
        #expect(GRPCTimeout.milliseconds(Array(text.utf8).span) == milliseconds)
    }

    @Test(arguments: ["", "1", "S", "123456789S", "1s", "1h", "-1S", "+1S", " 1S", "1S ", "1.5S", "0x1S", "1SS", "١S"])
    func malformedTimeouts(_ text: String) {
        #expect(GRPCTimeout.milliseconds(Array(text.utf8).span) == nil)
    }

    @Test(arguments: [
        (0, "0m"), (1, "1m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (100_000_001, "100001S"),
        (99_999_999_000, "99999999S"), (99_999_999_001, "1666667M"), (6_000_000_000_000, "1666667H"), (.max, "99999999H"),
    ] as [(UInt64, String)])
    func writtenTimeouts(_ milliseconds: UInt64, _ text: String) {
        #expect(written { GRPCTimeout.append(milliseconds: milliseconds, to: $0) } == text)
    }

    /// What is written can be read, is not less, and not much more.
    @Test func timeoutsComeBack() {
        var random = Seeded(state: 41)
        for _ in 0..<20_000 {
            let value = random.next() >> UInt64(random.count(16...63))
            let text = written { GRPCTimeout.append(milliseconds: value, to: $0) }
            let back = GRPCTimeout.milliseconds(Array(text.utf8).span) ?? 0
            #expect(back >= value && back - value <= value / 1000 + 1, "\(value) → \(text)")
        }
    }

    // MARK: - grpc-message

    @Test(arguments: [
        ("", ""), ("plain text ~", "plain text ~"), ("100%", "100%25"), ("tab\tnewline\n", "tab%09newline%0A"), ("Käse ☃", "K%C3%A4se %E2%98%83"),
        ("\u{7f}", "%7F"),
    ])
    func messages(_ text: String, _ value: String) {
        let bytes = Array(text.utf8)
        #expect(written { GRPCMessageText.encode(bytes.span, into: $0) } == value)
        #expect(written { GRPCMessageText.decode(Array(value.utf8).span, into: $0) } == text)
    }

    /// What is not encoded rightly is read as it stands.
    @Test(arguments: [
        ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("100% sure", "100% sure"), ("%e2%98%83", "☃"), ("%25%", "%%"), ("%%41", "%A"), ("ä", "ä"),
    ])
    func lenientMessages(_ value: String, _ text: String) {
        #expect(written { GRPCMessageText.decode(Array(value.utf8).span, into: $0) } == text)
    }

    @Test func messagesComeBack() {
        var random = Seeded(state: 42)
        for _ in 0..<5_000 {
            let bytes = (0..<random.count(0...40)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let value = Buffer(capacity: 16)
            GRPCMessageText.encode(bytes.span, into: value)
            #expect(value.copyReadable().allSatisfy { $0 >= 0x20 && $0 <= 0x7e })
            let back = Buffer(capacity: 16)
            value.withReadable { GRPCMessageText.decode($0, into: back) }
            #expect(back.copyReadable() == bytes)
        }
    }

    // MARK: - -bin

    func decoded(_ text: String) -> [UInt8]? {
        let out = Buffer(capacity: 16)
        return GRPCBinary.decode(Array(text.utf8).span, into: out) ? out.copyReadable() : nil
    }

    @Test(arguments: [
        ("", ""), ("Zg", "f"), ("Zg==", "f"), ("Zm8", "fo"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9vYmE=", "fooba"), ("Zm9vYmFy", "foobar"),
    ])
    func binaries(_ value: String, _ text: String) {
        #expect(decoded(value) == Array(text.utf8))
        let unpadded = String(value.prefix { $0 != "=" })
        #expect(written { GRPCBinary.encode(Array(text.utf8).span, into: $0) } == unpadded)
    }

    @Test(arguments: ["A", "AAAAA", "Zg=", "Zg===", "Z===", "====", "Zm9v=", "Zg==Zg==", "Zm 9", "Zm9-", "Zm9_", "Zm9v,", "=Zg="])
    func noBinaries(_ value: String) { #expect(decoded(value) == nil, "\(value)") }

    @Test func binariesComeBack() {
        var random = Seeded(state: 43)
        for _ in 0..<5_000 {
            let bytes = (0..<random.count(0...40)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = written { GRPCBinary.encode(bytes.span, into: $0) }
            #expect(decoded(text) == bytes)
            #expect(decoded(text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)) == bytes)
        }
    }

    @Test(arguments: [
        ("", [""]), ("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("a,,b", ["a", "", "b"]), ("a,", ["a", ""]),
    ])
    func lists(_ list: String, _ members: [String]) {
        let bytes = Array(list.utf8)
        var position = 0
        var found: [String] = []
        while let range = GRPCBinary.nextValue(in: bytes.span, at: &position) {
            found.append(String(decoding: bytes[range], as: UTF8.self))
        }
        #expect(found == members)
    }
}

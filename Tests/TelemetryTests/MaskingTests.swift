import Exchanges
import Testing

@testable import Telemetry

@Suite struct MaskingTests {
    func masked(_ text: String) -> String {
        let input = bytes(text)
        guard Masking.isSuspicious(input.span) else { return text }
        return written { Masking.mask(input.span, into: $0) }
    }

    @Test(arguments: [
        ("4432801561520454", "****-****-****-0454"),
        ("4432-8015-6152-0454", "****-****-****-0454"),
        ("4432 8015 6152 0454", "****-****-****-0454"),
        ("/pay/4432801561520454/now", "/pay/****-****-****-0454/now"),
        ("/a%204432801561520454", "/a%20****-****-****-0454"),
        ("4432%208015%2D6152+0454", "****-****-****-0454"),
        ("a@4432801561520454", "a***@****-****-****-0454"),
        ("378282246310005", "****-****-****-0005"),
        ("card=4432801561520454;4432801561520454", "card=****-****-****-0454;****-****-****-0454"),
        ("4432801561520455", "4432801561520455"),  // Luhn does not hold: an order number
        ("44328015615204541234567", "44328015615204541234567"),  // too long for a card
        ("443280156152", "443280156152"),
        ("someone@example.com", "so***@example.com"),
        ("/users/someone@example.com/cart", "/users/so***@example.com/cart"),
        ("/users/someone%40example.com", "/users/so***%40example.com"),
        ("a@b.c", "a***@b.c"),
        ("to: x.y+z@mail.example, bob@b.de", "to: x.***@mail.example, bo***@b.de"),
        ("@mention", "@mention"),
        ("a@", "a@"),
        ("plain text", "plain text"),
        ("", ""),
    ]) func hides(_ input: String, _ expected: String) {
        #expect(masked(input) == expected)
    }

    /// Nothing of a card longer than its last four digits survives, whatever stands around it.
    @Test(arguments: [
        ("4111111111111111", true), ("x=4111-1111-1111-1111;", true), ("%204111%201111%201111%201111", true), ("4111+1111+1111+1111", true),
        ("3782 822463 10005", true), ("\u{0}\u{10}4111111111111111", true), ("a%2D4111111111111111", true),
        ("4111111111111112", false), ("14111111111111111", false), ("AB-41111-111111111-11", false), ("jane@example.org", false), ("", false),
        ("9f2c7a10-4111-4111-8111-111111111111", false),
    ])
    func cardsAreFoundWhereTheyAre(_ text: String, _ isThere: Bool) {
        let bytes = Array(text.utf8)
        let found = Masking.holdsCard(bytes.span)
        #expect(found == isThere)
    }

    @Test func noCardSurvivesRandomSurroundings() {
        var random = Identifiers(seed: (3, 1, 4, 1))
        let letters = Array("abcf27 /=&;:,.@%-é{}\"")
        for _ in 0..<5000 {
            let before = String((0..<Int(random.next() % 8)).map { _ in letters[Int(random.next() % UInt64(letters.count))] })
            let behind = String((0..<Int(random.next() % 8)).map { _ in letters[Int(random.next() % UInt64(letters.count))] })
            let out = masked(before + " 4432801561520454" + " " + behind)
            #expect(!out.contains("44328015"), "\(before)|\(behind) → \(out)")
        }
    }

    @Test func escapesAnyBytesToValidJSON() {
        let cases: [([UInt8], String)] = [
            (bytes("a\"b\\c\n\r\t\u{1}\u{7f}"), "a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f"),
            (bytes("grüß 日本 🚀"), "grüß 日本 🚀"),
            ([0xff, 0x61], "\\ufffda"),
            ([0xc0, 0x80], "\\ufffd\\ufffd"),  // overlong
            ([0xed, 0xa0, 0x80], "\\ufffd\\ufffd\\ufffd"),  // surrogate
            ([0xf4, 0x90, 0x80, 0x80], "\\ufffd\\ufffd\\ufffd\\ufffd"),  // above U+10FFFF
            ([0xe2, 0x82], "\\ufffd\\ufffd"),  // cut off
        ]
        for (input, expected) in cases {
            #expect(written { JSONText.append(input.span, to: $0) } == expected)
        }
    }
}

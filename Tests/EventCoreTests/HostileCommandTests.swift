import EventCore
import Seeded
import Testing

/// Bodies of somebody hostile: the fuzzer's seeds (Tests/Fuzz/corpus/command), changed by drawing.
@Suite struct HostileCommandTests {
    private let pieces: [[UInt8]] = [
        "null", "\"\"", "{}", "[]", "1e999", "-0", "9223372036854775808", "\"\\ud800\"", "\"userId\":1,", "4111111111111111", "\u{0}", "[[[[",
        "\"creditCard\":", "\u{e9}", "true",
    ].map { Array($0.utf8) } + [[0xff], [0xc3], [0xed, 0xa0, 0x80]]

    private func changed(_ body: [UInt8], _ seeded: inout Seeded) -> [UInt8] {
        var body = body
        for _ in 0..<seeded.count(1...4) where !body.isEmpty {
            let at = seeded.count(0...(body.count - 1))
            switch seeded.count(0...4) {
            case 0: body[at] = UInt8(seeded.count(0...255))
            case 1: body.removeSubrange(at...)
            case 2: body.remove(at: at)
            case 3: body.insert(contentsOf: seeded.pick(pieces), at: at)
            default: body.insert(contentsOf: body[at...], at: at)
            }
        }
        return body
    }

    @Test(arguments: Registry.commands)
    func aChangedBodyIsDecodedOrRefused(_ name: String) throws {
        let command = try #require(Registry.command(named: name))
        let seed = Array(try projectFile("Tests/Fuzz/corpus/command/\(name)").dropFirst())
        // A seed that is refused would make a poor start.
        guard case .success = Registry.decode(command: command, body: seed.span) else {
            Issue.record("the seed is refused")
            return
        }
        var seeded = Seeded(state: UInt64(command))
        var refused = 0
        for _ in 0..<1500 {
            let body = changed(seed, &seeded)
            guard case .failure(let invalid) = Registry.decode(command: command, body: body.span) else { continue }
            refused += 1
            #expect(!invalid.fields.isEmpty && invalid.fields.count <= 64)
            for field in invalid.fields {
                #expect(field.pointer.utf8.count <= 1024 && field.error.utf8.count <= 256)
                if ["order.place", "order.pay"].contains(name) { #expect(!field.pointer.contains("411111111111")) }
            }
        }
        #expect(refused > 100)
    }

    @Test func whatThePathGivesIsBytes() throws {
        var seeded = Seeded(state: 7)
        let command = try #require(Registry.command(named: "order.cancel"))
        for _ in 0..<2000 {
            let value = (0..<seeded.count(0...140)).map { _ in UInt8(seeded.count(0...255)) }
            let decoded = Registry.decode(command: command, body: [UInt8]().span, parameters: [value])
            if case .success = decoded { #expect(Identifier(value) != nil) } else { #expect(Identifier(value) == nil) }
        }
    }
}

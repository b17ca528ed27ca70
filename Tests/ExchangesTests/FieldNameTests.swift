import Exchanges
import Seeded
import Testing

@Suite struct FieldNameTests {
    static let spellings = FieldName.spellings.map { Array($0.description.utf8) }

    private func intern(_ bytes: [UInt8]) -> FieldName { FieldName.intern(bytes.span) }

    /// The definition: a table look-up, letters without case.
    private func reference(_ bytes: [UInt8]) -> FieldName {
        let lower = bytes.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
        guard !lower.isEmpty, let i = Self.spellings.firstIndex(of: lower) else { return .other }
        return FieldName(rawValue: UInt8(i))
    }

    @Test func everyNumberHasItsSpelling() {
        #expect(Set(Self.spellings).count == Self.spellings.count)
        #expect(FieldName.rateLimit.rawValue == UInt8(Self.spellings.count - 1))
        for (i, spelling) in Self.spellings.enumerated().dropFirst() {
            #expect(intern(spelling).rawValue == UInt8(i), "\(FieldName.spellings[i])")
        }
        // Named here by hand, so that a shifted table shows.
        #expect(intern(Array("host".utf8)) == .host)
        #expect(intern(Array("transfer-encoding".utf8)) == .transferEncoding)
        #expect(intern(Array("x-forwarded-proto".utf8)) == .xForwardedProto)
        #expect(intern(Array("set-cookie".utf8)) == .setCookie)
        #expect(intern(Array("x-real-ip".utf8)) == .xRealIP)
    }

    /// Short names in every mix of cases, long ones in many.
    @Test func caseDoesNotMatter() {
        var random = Seeded(state: 1)
        for spelling in Self.spellings.dropFirst() {
            let letters = spelling.indices.filter { (0x61...0x7a).contains(spelling[$0]) }
            let all = 1 << letters.count
            for round in 0..<min(all, 2048) {
                let mask = all <= 2048 ? round : Int(truncatingIfNeeded: random.next()) & (all - 1)
                var mixed = spelling
                for (bit, i) in letters.enumerated() where mask >> bit & 1 == 1 { mixed[i] ^= 0x20 }
                if intern(mixed) != reference(mixed) || intern(mixed) == .other {
                    Issue.record("\(String(decoding: mixed, as: UTF8.self))")
                }
            }
        }
    }

    /// Every known name with any one byte changed to any other value: known only where the case changed.
    /// A carriage return is the one control character that the case bit would make a hyphen.
    @Test func oneWrongByteIsAnotherName() {
        for spelling in Self.spellings.dropFirst() {
            for i in spelling.indices {
                for byte in UInt8.min...UInt8.max {
                    var near = spelling
                    near[i] = byte
                    if intern(near) != reference(near) {
                        Issue.record("\(near) is taken for \(intern(near).rawValue), not \(reference(near).rawValue)")
                    }
                }
            }
        }
        #expect(intern(Array("content\rlength".utf8)) == .other)
        #expect(intern(Array("Transfer\rEncoding".utf8)) == .other)
    }

    @Test func shorterAndLongerNamesAreOthers() {
        for spelling in Self.spellings.dropFirst() {
            for near in [
                Array(spelling.dropLast()), Array(spelling.dropFirst()), spelling + [0x61], [0x78] + spelling,
                spelling + [0x20], spelling + [0], spelling + spelling,
            ] { #expect(intern(near) == reference(near)) }
        }
        #expect(intern([]) == .other && intern([0x68]) == .other)
        #expect(intern([UInt8](repeating: 0x61, count: 5000)) == .other)
    }

    @Test func setsHoldWhatTheyWereGiven() {
        var set = FieldNameSet(.host, .userAgent, .connection)
        let inside: [FieldName] = [.host, .userAgent, .connection]
        for i in Self.spellings.indices {
            let name = FieldName(rawValue: UInt8(i))
            #expect(set.contains(name) == inside.contains(name))
        }
        set.insert(.te)
        #expect(set.contains(.te) && set.contains(.host) && !set.contains(.trailer))
    }
}

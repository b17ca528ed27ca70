import Exchanges
import Testing

@testable import Telemetry

@Suite struct TraceContextTests {
    static let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func readsAndWritesTheExampleOfTheRecommendation() throws {
        let context = try #require(trace(Self.good))
        #expect(context.traceHigh == 0x4bf9_2f35_77b3_4da6)
        #expect(context.traceLow == 0xa3ce_929d_0e0e_4736)
        #expect(context.span == 0x00f0_67aa_0ba9_02b7)
        #expect(context.isSampled)
        #expect(written { context.append(to: $0) } == Self.good)
    }

    @Test(arguments: [
        "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what",
    ]) func refuses(_ value: String) {
        #expect(trace(value) == nil)
    }

    @Test func readsWhatItKnowsOfAFutureVersion() throws {
        let value = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes-later"
        let context = try #require(trace(value))
        #expect(context.isSampled)
        #expect(written { context.append(to: $0) } == Self.good)
    }

    @Test func keepsTheParentsDecisionAndTrace() throws {
        var ids = Identifiers(seed: (1, 2, 3, 4))
        let parent = try #require(trace(Self.good))
        let child = ids.trace(parent: parent, threshold: 0)
        #expect(child.traceHigh == parent.traceHigh && child.traceLow == parent.traceLow)
        #expect(child.span != parent.span && child.span != 0)
        #expect(child.isSampled)
    }

    @Test func samplesTheFractionAsked() {
        var ids = Identifiers(seed: (5, 6, 7, 8))
        let threshold = Identifiers.threshold(fraction: 0.01)
        let sampled = (0..<100_000).count { _ in ids.trace(parent: nil, threshold: threshold).isSampled }
        #expect((800...1200).contains(sampled))
        #expect(!(0..<1000).contains { _ in ids.trace(parent: nil, threshold: Identifiers.threshold(fraction: 0)).isSampled })
        #expect((0..<1000).allSatisfy { _ in ids.trace(parent: nil, threshold: Identifiers.threshold(fraction: 1)).isSampled })
        #expect(Identifiers.threshold(fraction: .nan) == 0)
        #expect(Identifiers.threshold(fraction: 7) == .max)
    }

    @Test func correlationIdsAreVersion4AndDistinct() {
        var ids = Identifiers()
        var seen = Set<String>()
        for _ in 0..<1000 {
            let id = written { ids.appendCorrelationID(to: $0) }
            let characters = Array(id)
            #expect(characters.count == 36 && characters[14] == "4" && "89ab".contains(characters[19]))
            seen.insert(id)
        }
        #expect(seen.count == 1000)
        #expect(Identifiers().next0() != Identifiers().next0())
    }

    @Test(arguments: [
        ("abc-123", true), ("", false), ("a b", false), ("a\"b", false), ("a\\b", false), ("a\u{7f}", false),
        ("ä", false), (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false),
    ]) func judgesCorrelationIdsOfClients(_ value: String, _ fine: Bool) {
        #expect(isAcceptable(value) == fine)
    }

    @Test(arguments: [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", 2), ("a=1", 1), ("", 0), (" , ,a=1", 1), ("0tenant@sys=1", 1),
        ("a=b c d", 1), ("a*b/c_d-e=~", 1),
    ]) func countsTraceStateMembers(_ value: String, _ count: Int) {
        #expect(members(value) == count)
    }

    @Test(arguments: [
        "A=1", "a", "=1", "a=", "a==", "0a=1", "a@0b=1", "a@b@c=1", "@b=1", "a@=1", "a=\u{01}", "a@" + String(repeating: "s", count: 15) + "=1",
        "a=" + String(repeating: "v", count: 257), String(repeating: "k", count: 257) + "=1",
        (0...32).map { "k\($0)=1" }.joined(separator: ","),
    ]) func refusesTraceState(_ value: String) {
        #expect(members(value) == nil)
    }

    @Test func parsingNeverTrapsOnAnyBytes() {
        var random = Identifiers(seed: (9, 8, 7, 6))
        let alphabet = bytes("0123456789abcdefABCDEF-=,@ \u{0}\u{ff}")
        for _ in 0..<20_000 {
            let length = Int(random.next() % 70)
            let value = (0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            _ = TraceContext.parse(value.span)
            _ = TraceState.members(value.span)
        }
    }
}

extension Identifiers {
    fileprivate consuming func next0() -> UInt64 { self.next() }
}

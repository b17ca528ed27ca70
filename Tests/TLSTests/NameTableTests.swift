import Testing

@testable import TLS

/// Which certificate answers for which name.
@Suite struct NameTableTests {
    static let table: NameTable = {
        var table = NameTable()
        table.add(["first.example", "localhost"], 0)
        table.add(["*.wild.example", "*", "a*.part.example", "*.*.two.example", "first.example"], 1)
        table.add(["exact.wild.example", "*.wild.example"], 2)
        return table
    }()

    @Test(arguments: [
        ("first.example", 0), ("FIRST.Example", 0), ("first.example.", 0), ("localhost", 0), ("a.wild.example", 1),
        ("A.WILD.EXAMPLE", 1), ("exact.wild.example", 2),
    ])
    func found(_ name: String, _ number: Int) { #expect(Self.table.find(name) == number) }

    /// A wildcard is one whole label, the leftmost; what is neither exact nor that is nobody's.
    @Test(arguments: [
        "wild.example", ".wild.example", "a.b.wild.example", "other.example", "ab.part.example", "a.b.two.example", "", ".",
        "*", "example",
    ])
    func notFound(_ name: String) { #expect(Self.table.find(name) == nil) }
}

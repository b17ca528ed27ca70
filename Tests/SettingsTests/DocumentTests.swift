import Settings
import Testing

struct DocumentTests {
    /// What is wrong with `text`, as the command line would print it.
    func problems(_ text: String) -> [String] {
        let diagnostics = Diagnostics()
        _ = Document.parse(text, file: "f.yaml", diagnostics)
        return diagnostics.sorted.map(\.description)
    }

    @Test func placesAreThoseOfTheFile() throws {
        let diagnostics = Diagnostics()
        let value = try #require(Document.parse("a: 1\nlist:\n  - x\n  - { k: v }\n", file: "f.yaml", diagnostics))
        guard case .map(let entries) = value.shape, case .list(let items) = entries[1].value.shape else {
            Issue.record("not a map with a list")
            return
        }
        #expect("\(entries[1].position)" == "f.yaml:2:1")
        #expect("\(items[1].position)" == "f.yaml:4:5")
        #expect(diagnostics.all.isEmpty)
    }

    @Test(arguments: ["", "\n", "# only a comment\n", "---\n", "~\n", "null"])
    func nothingIsAnEmptyMap(_ text: String) throws {
        let diagnostics = Diagnostics()
        let value = try #require(Document.parse(text, file: "f.yaml", diagnostics))
        guard case .map(let entries) = value.shape else {
            Issue.record("not a map")
            return
        }
        #expect(entries.isEmpty && diagnostics.all.isEmpty)
    }

    @Test func duplicateKeysAreErrorsWithAPlace() {
        #expect(problems("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == ["f.yaml:3:3: error: duplicate key 'c' in one map; the first is here"])
        #expect(problems("1: x\n\"1\": y\n") == ["f.yaml:2:1: error: duplicate key '1'; the first is at f.yaml:1:1"])
    }

    @Test func brokenYamlHasAPlace() {
        #expect(problems("a: [1, 2\nb: 3\n").first?.hasPrefix("f.yaml:2:") == true)
        #expect(problems("a: \"x\n").first?.hasPrefix("f.yaml:") == true)
        #expect(problems("a: *.example.com\n").first?.contains("needs quotes") == true)
        #expect(problems("a: 1\n---\nb: 2\n").first?.contains("single document") == true)
        #expect(problems("a: b\u{1}c\n").first?.hasPrefix("f.yaml:1:") == true)
    }

    @Test func anchorsCannotUnfold() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"
        let found = problems(bomb)
        #expect(found.contains("f.yaml:1:4: error: anchors and aliases are not supported"))
        #expect(found.count < 10)
    }

    /// Forty levels of doubling inside a key: hashing it would never end.
    @Test func aliasesInKeysCannotHang() {
        let levels = (1..<40).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }
        let bomb = "a0: &a0 [x, x]\n" + levels.joined() + "? *a39\n: 1\n"
        #expect(problems(bomb) == ["f.yaml: error: anchors and aliases are not supported"])
    }

    @Test func depthAndSizeAreBounded() {
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(problems(deep) == ["f.yaml:1:18: error: is nested deeper than 16 levels"])
        #expect(!problems(String(repeating: "[", count: 100_000)).isEmpty)
        #expect(problems("a: " + String(repeating: "x", count: 1 << 20)) == ["f.yaml: error: is larger than 1MiB"])
    }

    @Test func unreadableFilesAreReported() {
        let diagnostics = Diagnostics()
        #expect(Document.read(path: "/nonexistent/f.yaml", diagnostics) == nil)
        #expect(Document.read(path: "/", diagnostics) == nil)
        #expect(diagnostics.errors == 2)
    }

    @Test func theListOfProblemsIsBounded() {
        let diagnostics = Diagnostics()
        for i in 1...600 { diagnostics.error(at: SourcePosition(file: "f", line: i, column: 1), "x") }
        #expect(diagnostics.errors == 600)
        #expect(diagnostics.sorted.count == 501)
        #expect(diagnostics.sorted.last?.message == "and 100 more problems")
    }
}


import Foundation
import Settings
import Testing

@testable import Routes

/// Parameters under other names, and tables.
struct ParameterTests {
    func compileText(_ text: String, table: String? = nil) throws -> (table: RouteTable?, problems: [String]) {
        let url = FileManager.default.temporaryDirectory.appending(path: "parameters-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        let path = url.path(percentEncoded: false)
        var configuration = withDevices
        configuration.routes = ["\(path)/r.yaml"]
        let place = SourcePosition(file: table == nil ? "none" : "t", line: table == nil ? 0 : 1, column: 1)
        configuration.tables = [TableFile(name: "skus", file: PlacedPath("\(path)/skus.yaml", at: place))]
        try text.write(toFile: "\(path)/r.yaml", atomically: true, encoding: .utf8)
        if let table { try table.write(toFile: "\(path)/skus.yaml", atomically: true, encoding: .utf8) }
        let diagnostics = Diagnostics()
        let compiled = RouteCompiler.compile(configuration, vocabulary: vocabulary, diagnostics)
        return (compiled, diagnostics.sorted.map { "\($0)".replacing(path + "/", with: "") })
    }

    func route(_ parameters: String, target: String = "{ command: cart.add }", match: String = "{ publish: \"a/{sku}\" }") -> String {
        "routes:\n- name: a\n  match: \(match)\n  target: \(target)\n  parameters: \(parameters)\n"
    }

    @Test func aTableTranslates() throws {
        let (table, problems) = try compileText(route("{ productId: { of: sku, by: skus } }"), table: "A-1: OLJ\n\"10\": x\n1004: ü\n")
        #expect(problems == [])
        let compiled = try #require(table)
        let parameter = try #require(compiled.parameters[0].first)
        #expect(parameter.name == "productId" && parameter.place == 0)
        let skus = compiled.translations[try #require(parameter.translation)]
        #expect(skus.count == 3 && skus[Array("A-1".utf8)] == Array("OLJ".utf8) && skus[Array("1004".utf8)] == Array("ü".utf8))
        #expect(skus[Array("a-1".utf8)] == nil && skus[[]] == nil)
        #expect(compiled.routes[0].givenNames == ["sku", "productId"])
        #expect(compiled.render().contains("parameter  productId is {sku} by the table skus"))
    }

    @Test func aParameterMayOnlyHaveAnotherName() throws {
        let (table, problems) = try compileText(
            route("{ userId: { of: user } }", target: "{ query: cart.get }", match: "{ path: \"/x/{user}\" }"), table: "{}")
        #expect(problems == [] && table?.parameters[0].first?.translation == nil)
    }

    @Test func aTableThatNobodyNamedMayBeMissing() throws {
        let text = route("{ productId: { of: sku, by: skus } }")
        #expect(try compileText(text).problems == ["r.yaml:5:43: warning: the table 'skus' is empty: skus.yaml does not exist"])
        #expect(try compileText("routes: []").problems == [])
    }

    @Test(arguments: [
        ("{ productId: { by: skus } }", "r.yaml:5:17: error: the parameter 'productId' needs 'of': which capture is it?"),
        ("{ productId: { of: sk, by: skus } }", "r.yaml:5:34: error: a/{sku} has no parameter 'sk' (did you mean 'sku'?)"),
        ("{ productId: { of: sku, by: sku } }", "r.yaml:5:43: error: unknown table 'sku': see 'tables' of the configuration (did you mean 'skus'?)"),
        ("{ sku: { of: sku } }", "r.yaml:5:17: error: the path gives 'sku' itself: give its capture another name"),
        ("{ productId: { from: sku } }", "r.yaml:5:30: error: unknown key 'from' in a parameter"),
        ("{ productId: sku }", "error: a parameter must be a map, not 'sku'"), ("5", "error: the parameters of a route must be a map, not '5'"),
    ])
    func mistakesOfRoutes(_ parameters: String, _ problem: String) throws {
        let problems = try compileText(route(parameters), table: "{}").problems
        #expect(problems.contains { $0.contains(problem) }, "\(problems)")
    }

    @Test func whoTakesNoParameters() throws {
        let text = route("{ b: { of: sku } }", target: "{ topics: relay }")
        #expect(try compileText(text, table: "{}").problems == ["r.yaml:5:3: error: 'parameters' has no effect: the route submits no command and no query"])
    }

    @Test(arguments: [
        ("A: x\nA: y\n", "skus.yaml:1:1: error: duplicate key"), ("A: [x]\n", "skus.yaml:1:4: error: 'A' must be text, not a list"),
        ("A: \"\"\n", "skus.yaml:1:1: error: a table has texts of 1 to 128 bytes, not of 0"),
        ("A: \(String(repeating: "x", count: 129))\n", "skus.yaml:1:1: error: a table has texts of 1 to 128 bytes, not of 129"),
        ("- A\n", "skus.yaml:1:1: error: a table must be a map, not a list"), ("A:\n", "skus.yaml:1:"),
    ])
    func mistakesOfTables(_ table: String, _ problem: String) throws {
        let problems = try compileText("routes: []", table: table).problems
        #expect(problems.count == 1 && problems.first?.hasPrefix(problem) == true, "\(problems)")
    }
}

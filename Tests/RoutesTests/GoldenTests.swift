import Foundation
import Settings
import Testing

@testable import Routes

/// `Tests/Golden`: a file in, the expected text beside it. After a wanted change write the texts anew
/// with `GOLDEN_WRITE=1 swift test --filter GoldenTests` and read the difference.
struct GoldenTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func cases(_ folder: String) -> [String] {
        let path = root.appending(path: "Tests/Golden/\(folder)").path(percentEncoded: false)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.filter { $0.hasSuffix(".yaml") }.sorted().map { String($0.dropLast(5)) }
    }

    func expect(_ text: String, in file: String) throws {
        let url = Self.root.appending(path: "Tests/Golden/\(file)")
        if ProcessInfo.processInfo.environment["GOLDEN_WRITE"] != nil {
            try text.write(to: url, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: url, encoding: .utf8) == text, "differs from \(file)")
    }

    func compileFile(_ name: String) throws -> (table: RouteTable?, problems: [String]) {
        let url = Self.root.appending(path: "Tests/Golden/\(name).yaml")
        let diagnostics = Diagnostics()
        let text = try String(contentsOf: url, encoding: .utf8)
        let file = url.lastPathComponent
        let documents = Document.parse(text, file: file, diagnostics).map { [$0] } ?? []
        let table = RouteCompiler.compile(documents, twoListeners, vocabulary: vocabulary, diagnostics)
        return (table, diagnostics.sorted.map(\.description))
    }

    @Test func thereAreCases() {
        #expect(Self.cases("routes").count >= 2 && Self.cases("refused").count >= 4)
    }

    @Test(arguments: cases("routes"))
    func routesInTableOut(_ name: String) throws {
        let (table, problems) = try compileFile("routes/\(name)")
        #expect(problems == [])
        try expect(try #require(table).render(), in: "routes/\(name).txt")
    }

    @Test(arguments: cases("refused"))
    func mistakesInProblemsOut(_ name: String) throws {
        let (_, problems) = try compileFile("refused/\(name)")
        #expect(!problems.isEmpty)
        try expect(problems.map { $0 + "\n" }.joined(), in: "refused/\(name).txt")
    }

    @Test func explanations() throws {
        let table = try #require(try compileFile("routes/everything").table)
        let requests: [(String, Request)] = [
            ("GET /api/products/42", Request("GET", "/api/products/42")),
            ("GET /api/products/42, x-tenant: blue", Request("GET", "/api/products/42", [("X-Tenant", "blue")])),
            ("POST /api/cart/add", Request("POST", "/api/cart/add")),
            ("DELETE /api/cart/add", Request("DELETE", "/api/cart/add")),
            ("GET /ws/orders at eu.shop.example", Request("GET", "/ws/orders", host: "eu.shop.example")),
            ("GET /ws/orders", Request("GET", "/ws/orders")),
            ("GET /api/files/", Request("GET", "/api/files/")),
        ]
        let text = requests.map { title, request in
            "### \(title)\n" + table.explain(request.head, in: request.text.span, listener: 0).render(table) + "\n"
        }
        try expect(text.joined(), in: "routes/everything.explain.txt")
    }

    /// The files that ship, with the configuration that ships.
    @Test func theShippedRoutes() throws {
        let diagnostics = Diagnostics()
        let names = [
            "cart.yaml", "commands.yaml", "flash-sales.yaml", "inventory.yaml", "iot.yaml", "operations.yaml", "orders-unversioned.yaml", "orders.yaml",
            "products.yaml",
        ]
        let documents = try names.compactMap { name in
            let text = try String(contentsOf: Self.root.appending(path: "routes/\(name)"), encoding: .utf8)
            return Document.parse(text, file: "routes/\(name)", diagnostics)
        }
        let core = Vocabulary(
            commands: [
                "cart.add", "cart.remove", "cart.update", "cart.empty", "inventory.adjust", "inventory.reserve",
                "inventory.release", "order.place", "order.pay", "order.cancel", "order.process", "order.ship", "order.deliver",
                "order.complete", "product.create", "product.update", "product.change-price", "flash-sale.start",
                "flash-sale.change-price", "flash-sale.end",
            ], queries: ["cart.get", "inventory.get", "order.get", "saga.get", "product.get", "flash-sale.get"])
        let table = RouteCompiler.compile(documents, Configuration(), vocabulary: core, diagnostics)
        #expect(diagnostics.all.isEmpty)
        try expect(try #require(table).render(), in: "shipped.txt")
    }
}

struct FolderTests {
    func folder(_ files: [String: String]) throws -> String {
        let url = FileManager.default.temporaryDirectory.appending(path: "routes-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for (name, text) in files { try text.write(to: url.appending(path: name), atomically: true, encoding: .utf8) }
        return url.path(percentEncoded: false)
    }

    func load(_ path: String) -> (table: RouteTable?, problems: [String]) {
        var configuration = twoListeners
        configuration.routes = [path]
        let diagnostics = Diagnostics()
        let table = RouteCompiler.compile(configuration, vocabulary: vocabulary, diagnostics)
        return (table, diagnostics.sorted.map(\.description))
    }

    func route(_ name: String, _ path: String) -> String {
        "routes: [{ name: \(name), match: { path: \(path) }, target: { cluster: legacy } }]\n"
    }

    @Test func filesAreReadInTheOrderOfTheirNames() throws {
        let path = try folder(["b.yaml": route("b", "/b"), "a.yaml": route("a", "/a"), "c.yml": "", ".hidden.yaml": "%", "README": "%"])
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (table, problems) = load(path)
        #expect(table?.routes.map(\.name) == ["a", "b"])
        #expect(problems == ["\(path)/c.yml: warning: is not read: route files end with .yaml"])
    }

    @Test func conflictsAreFoundAcrossFiles() throws {
        let path = try folder(["a.yaml": route("a", "/x"), "b.yaml": route("b", "/x")])
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (table, problems) = load(path)
        #expect(table == nil)
        #expect(problems == ["\(path)/b.yaml:1:10: error: route 'b' matches the same requests as route 'a' at \(path)/a.yaml:1:10"])
    }

    @Test func aBrokenFileDoesNotHideTheOthers() throws {
        let path = try folder(["a.yaml": "routes: [", "b.yaml": "routes: 5", "c.yaml": route("c", "nope")])
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(load(path).problems.count == 3)
    }

    @Test func aMissingFolderIsAnError() {
        #expect(load("/nonexistent/routes").problems == ["/nonexistent/routes: error: cannot be read: No such file or directory"])
    }
}

import Contracts
import EventCore
import Exchanges
import Glibc
import Synchronization
import Testing

extension Substring {
    fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}

/// The files under `contracts/`.
private enum Files {
    static let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/contracts"

    static func names(_ kind: String) -> [String] {
        guard let directory = opendir("\(folder)/\(kind)") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".json") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }

    static func text(_ file: String) throws -> [UInt8] {
        let handle = open("\(folder)/\(file).json", O_RDONLY)
        try #require(handle >= 0, "\(file) is missing")
        defer { close(handle) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let n = read(handle, &bytes, bytes.count)
        return Array(bytes[0..<n])
    }

    static func schemas() throws -> EventSchemas {
        var schemas = EventSchemas()
        for name in names("events") { try schemas.add(try schema(try text("events/" + name))) }
        return schemas
    }
}

private func schema(_ text: [UInt8]) throws -> JSONSchema { try JSONSchema(text.span) }

private func bytes(_ value: JSONValue) -> [UInt8] {
    var json = JSONWriter<[UInt8]>([])
    value.write(to: &json)
    return json.sink
}

private func fits(_ schema: JSONSchema, _ text: [UInt8]) -> Bool {
    // A name used twice, say.
    guard let tape = try? JSONTape(text.span) else { return false }
    return schema.accepts(tape, text.span)
}

private func isDecoded(_ command: Int, _ text: [UInt8]) -> Bool {
    switch Registry.decode(command: command, body: text.span) {
    case .success: true
    case .failure: false
    }
}

@Suite(.timeLimit(.minutes(10))) struct SchemaTests {
    @Test func everyContractCompilesAndFitsItsExamples() throws {
        for kind in ["commands", "events"] {
            let names = Files.names(kind)
            #expect(names.count >= 7)
            for name in names {
                let text = try Files.text("\(kind)/\(name)")
                let schema = try JSONSchema(text.span)
                #expect(schema.id?.hasPrefix("urn:nexus:\(kind.dropLast()):\(name):") == true, "\(name)")
                guard case .array(let examples) = try JSONValue(text.span)["examples"], !examples.isEmpty else {
                    Issue.record("\(name) has no examples")
                    continue
                }
                for example in examples {
                    let text = bytes(kind == "commands" ? camel(example) : example)
                    let tape = try JSONTape(text.span)
                    let violations = schema.violations(tape, text.span)
                    #expect(violations == [], "\(name)")
                }
            }
        }
        #expect(Set(Registry.commands).isSubset(of: Files.names("commands")))
    }

    /// Where a schema cannot say it all: a number written as text may be too large, a text of few characters may
    /// have many bytes, proto JSON reads null as absent.
    private static let values: [JSONValue] = [
        .number("0"), .number("1"), .number("-1"), .number("2147483647"), .number("2147483648"), .number("-2147483648"),
        .number("-2147483649"), .number("1.5"), .number("2.0"), .number("1e1"), .number("99999999999999999999"),
        .string(""), .string("7"), .string("-7"), .string("7x"), .string("x"), .string("a\u{0}b"), .string("a\u{7F}"),
        .string("\u{85}"), .string("käse"), .string("\"\\"), .string(String(repeating: "x", count: 128)),
        .string(String(repeating: "x", count: 129)), .bool(true), .array([]), .object([]), .array([.string("x")]),
        .string("2026-03-01T09:45:00Z"), .string("2026-02-30T09:45:00Z"), .string("RELEASE_REASON_COMPENSATION"),
        .string("RELEASE_REASON_X"), .string("0x7"), .string("+7"), .string(" 7"),
    ]

    /// Names as the schemas write them; they may also be written in snake_case.
    private func camel(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let items): return .array(items.map(camel))
        case .object(let members):
            return .object(members.map { member in
                let words = member.name.split(separator: "_")
                let name = (words.first.map(String.init) ?? "") + words.dropFirst().map(\.capitalized).joined()
                return .init(name, camel(member.value))
            })
        default: return value
        }
    }

    /// Everything that differs from `value` in one place.
    private func mutations(of value: JSONValue) -> [JSONValue] {
        var all: [JSONValue] = []
        switch value {
        case .object(let members):
            all.append(.object(members + [.init("unknown", .number("1"))]))
            for (i, member) in members.enumerated() {
                var fewer = members
                fewer.remove(at: i)
                all.append(.object(fewer))
                for other in mutations(of: member.value) {
                    var changed = members
                    changed[i].value = other
                    all.append(.object(changed))
                }
            }
        default: break
        }
        return all + SchemaTests.values
    }

    /// What a list has too few of is the aggregate's to refuse, not the decoder's.
    private func isForTheRules(_ schema: JSONSchema, _ text: [UInt8]) -> Bool {
        guard let tape = try? JSONTape(text.span) else { return false }
        return schema.violations(tape, text.span).allSatisfy { $0.error == "has too few items" }
    }

    /// The decoder is the truth and the schema what is published of it: they must take and refuse the same.
    @Test(arguments: Registry.commands)
    func schemaAndDecoderAgree(_ name: String) throws {
        let text = try Files.text("commands/" + name)
        let schema = try JSONSchema(text.span)
        guard case .array(let examples) = try JSONValue(text.span)["examples"] else { return }
        let index = try #require(Registry.command(named: name))
        var taken = 0
        var refused = 0
        for example in examples {
            let example = camel(example)
            var bodies = mutations(of: example)
            // Two places at once.
            for _ in 0..<5 { bodies += mutations(of: try #require(bodies.randomElement())).shuffled().prefix(50) }
            for body in bodies {
                let text = bytes(body)
                let isTaken = isDecoded(index, text)
                #expect(fits(schema, text) == isTaken || (isTaken && isForTheRules(schema, text)), "\(String(decoding: text, as: UTF8.self))")
                if isTaken { taken += 1 } else { refused += 1 }
            }
        }
        #expect(taken > 0 && refused > 50)
    }

    private func command(_ product: Identifier, _ thing: Identifier, _ quantity: Int32) -> Command {
        let other = Bool.random() ? nil : thing
        switch Int.random(in: 0..<7) {
        case 0: return .cart(product, .add(product: thing, quantity: quantity))
        case 1: return .cart(product, .update(product: thing, quantity: quantity))
        case 2: return .cart(product, .remove(product: thing))
        case 3: return .cart(product, .empty)
        case 4: return .inventory(product, .adjust(delta: quantity, reason: thing, eventId: other))
        case 5: return .inventory(product, .release(reservation: thing, order: nil, reason: .compensation))
        default: return .inventory(product, .reserve(reservation: thing, order: other, quantity: quantity, expiresAt: nil))
        }
    }

    /// What the rules give fits the contracts, whatever is commanded.
    @Test func whatHappensFitsItsSchema() async throws {
        let store = MemoryStore()
        let schemas = try Files.schemas()
        #expect(schemas.count >= 7)
        let log = try EventLog(store: store, options: .init(schemas: schemas)) { _, _ in }
        for _ in 0..<2000 {
            let thing = try #require(Identifier(["x", "käse 🦊", "\"\\", "o-7", String(repeating: "y", count: 128)].randomElement() ?? ""))
            let product = try #require(Identifier("p\(Int.random(in: 0..<3))"))
            let quantities: [Int32] = [1, 2, 7, .max, 0, -3]
            let quantity = quantities.randomElement() ?? 1
            _ = try? await log.execute([command(product, thing, quantity)])
        }
        log.close()
        #expect(store.events.count > 200)
        #expect(log.meters.read().invalidEvents == 0)
    }

    private func refusal(of commands: [Command], _ log: EventLog) async -> Code? {
        do {
            try await log.execute(commands)
            return nil
        } catch {
            return error.outcome.code
        }
    }

    /// An event that does not fit is not stored, nor is it in memory; others are not concerned.
    @Test func whatDoesNotFitIsRefused() async throws {
        let store = MemoryStore()
        var schemas = EventSchemas()
        let added = #"{"$id":"urn:nexus:event:ItemAdded:1","properties":{"quantity":{"type":"integer","maximum":5}}}"#
        try schemas.add(try schema(Array(added.utf8)))
        try schemas.add(try schema(Array(#"{"$id":"urn:nexus:event:CartEmptied:2"}"#.utf8)))
        let told = Mutex<[String]>([])
        let options = EventLog.Options(schemas: schemas) { event in
            told.withLock { $0.append("\(event.type) \(event.violations.map { "\($0.pointer) \($0.error)" })") }
        }
        let log = try EventLog(store: store, options: options) { _, _ in }
        let (u, p) = (try #require(Identifier("u")), try #require(Identifier("p")))
        func add(_ quantity: Int32) -> Command { .cart(u, .add(product: p, quantity: quantity)) }
        #expect(try await log.execute([add(5)]).map(\.version) == [1])
        for bad in [[add(6)], [add(1), add(6)], [.cart(u, .empty)]] as [[Command]] {
            #expect(await refusal(of: bad, log) == .internalError)
            #expect(try await log.state(of: AggregateName(kind: .cart, id: u)).version == 1)
        }
        #expect(try await log.execute([add(2), .cart(u, .remove(product: p))]).map(\.version) == [2, 3])
        log.close()
        #expect(store.events.map(\.event.type) == ["ItemAdded", "ItemAdded", "ItemRemoved"])
        #expect(log.meters.read().invalidEvents == 3)
        // Once a second at most.
        let first = told.withLock { $0.first }
        #expect(first == #"ItemAdded ["/quantity must be at most 5"]"#)
    }
}

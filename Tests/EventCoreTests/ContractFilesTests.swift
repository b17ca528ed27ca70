import Contracts
import EventCore
import Glibc
import Testing

/// The schemas under `contracts/`, and the code that must agree with them.
@Suite struct ContractFilesTests {
    private func read(_ file: String) throws -> JSONValue {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let handle = open("/\(root)/contracts/\(file).json", O_RDONLY)
        try #require(handle >= 0, "\(file) is missing")
        defer { close(handle) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let n = Glibc.read(handle, &bytes, bytes.count)
        let text = Array(bytes[0..<n])
        return try JSONValue(text.span)
    }

    private func examples(_ schema: JSONValue) -> [[UInt8]] {
        guard case .array(let examples) = schema["examples"] else { return [] }
        return examples.map { example in
            var json = JSONWriter<[UInt8]>([])
            example.write(to: &json)
            return json.sink
        }
    }

    @Test(arguments: Registry.commands)
    func commandsDecodeTheirExamples(_ name: String) throws {
        let schema = try read("commands/" + name)
        let bodies = examples(schema)
        #expect(!bodies.isEmpty)
        for body in bodies {
            let decoded = Registry.decode(command: try #require(Registry.command(named: name)), body: body.span)
            #expect(throws: Never.self) { try decoded.get() }
        }
        // What the schema requires, the decoder requires.
        guard case .array(let required) = schema["required"] else {
            Issue.record("\(name) requires nothing")
            return
        }
        let nothing = Registry.decode(command: try #require(Registry.command(named: name)), body: "{}".utf8Span.span)
        guard case .failure(let invalid) = nothing else {
            Issue.record("\(name) accepts nothing")
            return
        }
        #expect(invalid.fields.map { JSONValue.string(String($0.pointer.dropFirst())) } == required)
    }

    @Test(arguments: ["ItemAdded", "ItemRemoved", "QuantityUpdated", "CartEmptied"])
    func cartEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { CartEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: ["StockAdjusted", "InventoryReserved", "InventoryReleased", "StockTaken", "StockReturned"])
    func inventoryEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { InventoryEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: orderEventTypes)
    func orderEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { OrderEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: ["ProductCreated", "ProductUpdated", "ProductPriceChanged"])
    func productEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { ProductEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: ["FlagWeightSet", "FlagWeightCleared"])
    func flagEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { FlagEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: ["AffinityTaken", "AffinityReleased"])
    func affinityEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { AffinityEvent($0).map { ($0.type, $0.payload) } }
    }

    @Test(arguments: ["FlashSaleStarted", "FlashSalePriceChanged", "FlashSaleEnded"])
    func flashSaleEventsReadAndWriteTheirExamples(_ type: String) throws {
        try readsAndWritesItsExamples(type) { FlashSaleEvent($0).map { ($0.type, $0.payload) } }
    }

    private func readsAndWritesItsExamples(
        _ type: String, _ read: (Event) -> (type: String, payload: [UInt8])?
    ) throws {
        let payloads = examples(try self.read("events/" + type))
        #expect(!payloads.isEmpty)
        for payload in payloads {
            let stored = Event(
                id: EventId(high: 0, low: 0), type: type, timestamp: .now(), payload: payload, metadata: Metadata())
            let event = try #require(read(stored))
            #expect(event.type == type && event.payload == payload)
        }
    }
}

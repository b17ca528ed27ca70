import Contracts
import EventCore
import Glibc
import Stores

func measure(directory: String) throws {
    measureDecoding()
    let schemas = try eventSchemas(in: "contracts/events")
    measureChecking(schemas)
    mkdir(directory, 0o700)
    let path = directory + "/bench.db"
    show("disk: \(decimal(fsyncRate(directory), 0)) fdatasync/s of 4 KiB appended")
    for group in [1, 16, 256, 4096] {
        for aggregates in [1_000, 100_000] {
            try measureStore(path: path, group: group, aggregates: aggregates, seconds: 3)
        }
    }
    try measureLoads(path: path)
    for clients in [1, 64, 1024, 8192] { try measureLog(path: path, clients: clients, seconds: 3, schemas) }
    rmdir(directory)
}

/// What a gateway worker pays for a command's body.
private func measureDecoding() {
    let body = Array(
        #"{"userId":"8f14e45f-ceea-467a-9b1c-1234567890ab","item":{"productId":"OLJCESPC7Z","quantity":2}}"#.utf8)
    let rounds = 1_000_000
    var decoded = 0
    let cpu = processorSeconds()
    for _ in 0..<rounds {
        if case .success = Registry.decode(command: 0, body: body.span) { decoded += 1 }
    }
    let used = processorSeconds() - cpu
    show("decode: \(body.count) bytes  \(decimal(used / Double(rounds) * 1e9, 0)) CPU ns/command  \(decoded == rounds ? "" : "WRONG")")
}

/// What the log's thread pays for holding an event to its schema.
private func measureChecking(_ schemas: EventSchemas) {
    guard let product = Identifier("OLJCESPC7Z") else { return }
    let (added, held) = (
        CartEvent.itemAdded(product, quantity: 2),
        InventoryEvent.reserved(product, order: product, quantity: 2, expiresAt: Timestamp.now())
    )
    for (type, payload) in [(added.type, added.payload), (held.type, held.payload)] {
        let rounds = 1_000_000
        var wrong = 0
        let cpu = processorSeconds()
        for _ in 0..<rounds {
            wrong += schemas.violations(ofType: type, version: 1, payload: payload.span).count
        }
        let used = processorSeconds() - cpu
        show("schema: \(type) of \(payload.count) bytes  \(decimal(used / Double(rounds) * 1e9, 0)) CPU ns/event  \(wrong == 0 ? "" : "WRONG")")
    }
}

/// The schemas in a folder; none when it is not there.
func eventSchemas(in folder: String) throws -> EventSchemas {
    var schemas = EventSchemas()
    guard let directory = opendir(folder) else { return schemas }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let file = open("\(folder)/\(name)", O_RDONLY)
        guard name.hasSuffix(".json"), file >= 0 else { continue }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let n = read(file, &bytes, bytes.count)
        let text = Array(bytes[0..<max(0, n)])
        try schemas.add(try JSONSchema(text.span))
    }
    return schemas
}

/// What the disk does by itself: the bound for groups of one.
private func fsyncRate(_ directory: String) -> Double {
    let path = directory + "/fsync"
    let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    defer {
        close(file)
        unlink(path)
    }
    let page = [UInt8](repeating: 7, count: 4096)
    let start = monotonicNanoseconds()
    var count = 0
    while monotonicNanoseconds() - start < 1_000_000_000 {
        guard page.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == 4096, fdatasync(file) == 0 else {
            return 0
        }
        count += 1
    }
    return Double(count) / (Double(monotonicNanoseconds() - start) / 1e9)
}

private func measureStore(path: String, group: Int, aggregates: Int, seconds: Double) throws {
    removeStore(path)
    let store = try SQLiteEventStore(path: path)
    var ids = EventIdSource()
    var random = SystemRandomNumberGenerator()
    let keys = (0..<aggregates).compactMap { _ in
        Identifier("\(EventId(high: random.next(), low: random.next()))").map { AggregateKey(type: Cart.type, id: $0) }
    }
    guard let product = Identifier("OLJCESPC7Z") else { return }
    let event = CartEvent.itemAdded(product, quantity: 2)
    let metadata = Metadata(correlationId: "\(ids.next(at: Timestamp.now().microseconds))", source: "http")

    var commits = Durations()
    var events = 0
    var largestWAL = 0
    let cpu = processorSeconds()
    let start = monotonicNanoseconds()
    while Double(monotonicNanoseconds() - start) < seconds * 1e9 {
        let now = Timestamp.now()
        let batches = (0..<group).map { _ in
            Batch(
                keys[Int.random(in: 0..<keys.count, using: &random)], expected: .any,
                events: [
                    Event(
                        id: ids.next(at: now.microseconds), type: event.type, timestamp: now, payload: event.payload,
                        metadata: metadata)
                ])
        }
        let before = monotonicNanoseconds()
        _ = try store.append(batches)
        commits.add(monotonicNanoseconds() - before)
        events += group
        if events % (group * 64) == 0 { largestWAL = max(largestWAL, fileBytes(path + "-wal")) }
    }
    let took = Double(monotonicNanoseconds() - start) / 1e9
    let used = processorSeconds() - cpu
    largestWAL = max(largestWAL, fileBytes(path + "-wal"))
    store.close()
    let bytes = Double(fileBytes(path)) / Double(events)
    show(
        "store: group \(padded("\(group)", 4))  aggregates \(padded("\(aggregates)", 6))"
            + "  \(padded(decimal(Double(events) / took, 0), 7)) events/s  \(decimal(used / Double(events) * 1e6, 1)) CPU us/event"
            + "  commit \(commits.summary)  \(decimal(bytes, 0)) B/event  WAL <= \(largestWAL >> 20) MiB")
    removeStore(path)
}

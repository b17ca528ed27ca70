/// How consumers follow the log (SPEC 14).
public struct BusSettings: Sendable, Equatable {
    /// Event types on the core path; all others are on the secondary one.
    public var core = [
        "OrderPlaced", "OrderConfirmed", "OrderFailed", "OrderCancelled", "PaymentRequested", "PaymentCompleted",
        "PaymentFailed", "PaymentRefunded", "ShipmentRequested", "ShipmentScheduled", "ShipmentFailed",
        "InventoryReserved", "InventoryReleased", "InventoryUnavailable", "StockAdjusted", "StockTaken",
        "StockReturned",
    ]
    /// Events a consumer applies at a time.
    public var concurrency = 16
    /// Aggregates that failures may hold up before a consumer takes in nothing more.
    public var held = 10_000
    /// How soon what was put aside after transient failures is tried again, at first.
    public var asideRetry: UInt32 = 300_000
    /// Cluster of the legacy cart service that is kept equal to the event core's carts; nil = off.
    public var legacyCartMirror: String?

    public init() {}
}

extension BusSettings {
    mutating func read(_ fields: Fields, clusters: [Cluster]) {
        if let types = fields.strings("core") {
            for (type, position) in types where !BusSettings.isType(type) {
                fields.diagnostics.error(at: position, "'\(type)' is not the name of an event's type, such as OrderPlaced")
            }
            core = types.map(\.text)
        }
        concurrency = fields.integer("concurrency", in: 1...1024) ?? concurrency
        held = fields.integer("held", in: 1...1_000_000) ?? held
        asideRetry = fields.milliseconds("aside_retry", in: 1_000...86_400_000) ?? asideRetry
        if let value = fields.value("legacy_cart_mirror") { readMirror(value, clusters, fields.diagnostics) }
        fields.finish()
    }

    private mutating func readMirror(_ value: Value, _ clusters: [Cluster], _ diagnostics: Diagnostics) {
        if case .scalar("off", _) = value.shape { return legacyCartMirror = nil }
        let fields = Fields(value, "the legacy cart mirror", diagnostics)
        let name = fields.string("cluster")
        fields.finish()
        guard let name else {
            if !fields.has("cluster") { diagnostics.error(at: value.position, "the legacy cart mirror needs 'cluster', or off") }
            return
        }
        legacyCartMirror = name
        guard let cluster = clusters.first(where: { $0.name == name }) else {
            let hint = Spelling.hint(name, among: clusters.map(\.name))
            diagnostics.error(at: fields.position(of: "cluster"), "there is no cluster '\(name)'\(hint)")
            return
        }
        if cluster.wireProtocol != .http2 {
            diagnostics.error(
                at: fields.position(of: "cluster"), "cluster '\(name)' needs 'protocol: http2': the service is called by gRPC")
        }
    }

    private static func isType(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.first.map { (65...90).contains($0) } == true
            && text.utf8.allSatisfy { ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || $0 >= 48 && $0 <= 57 }
    }
}

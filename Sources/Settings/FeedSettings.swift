/// What of the change feed goes out as messages on a topic: an entry of `mqtt.feed`, or of a bridge's `out`.
public struct FeedEntry: Sendable, Equatable {
    /// What its events tell of, and so what its messages say.
    public enum Subject: Sendable, Equatable, CaseIterable {
        case orders, inventory

        /// All events there are of it.
        public var events: [String] {
            switch self {
            case .orders:
                [
                    "OrderPlaced", "PaymentRequested", "PaymentCompleted", "PaymentFailed", "PaymentRefunded", "PaymentRefundFailed",
                    "ShipmentRequested", "ShipmentScheduled", "ShipmentFailed", "OrderStockReserved", "InventoryUnavailable",
                    "OrderStockTaken", "OrderStockReleased", "OrderConfirmed", "OrderFailed", "OrderCancellationRequested",
                    "OrderCancelled", "OrderProcessing", "OrderShipped", "OrderDelivered", "OrderCompleted",
                ]
            case .inventory: ["StockAdjusted", "InventoryReserved", "InventoryReleased", "StockTaken", "StockReturned"]
            }
        }

        /// What may stand in its topics.
        public var parameters: [String] {
            switch self {
            case .orders: ["{id}"]
            case .inventory: ["{id}", "{sku}"]
            }
        }
    }

    public var subject: Subject
    public var events: [String]
    /// Levels, of which some are parameters: `shop/orders/{id}/status`.
    public var topic: String
    public var isRetained = true
    /// Milliseconds after which a message is of no use; 0 = never.
    public var expires: UInt32 = 0

    public init(_ subject: Subject, events: [String], topic: String, isRetained: Bool = true, expires: UInt32 = 0) {
        self.subject = subject
        self.events = events
        self.topic = topic
        self.isRetained = isRetained
        self.expires = expires
    }

    /// In one list.
    public static let most = 32
    /// Bytes of a topic as it is written.
    public static let longestTopic = 256

    /// Every change of an order's state, for a week; and every change of stock.
    public static let shop = [
        FeedEntry(
            .orders,
            events: [
                "OrderPlaced", "PaymentRequested", "PaymentCompleted", "OrderConfirmed", "OrderProcessing", "OrderShipped",
                "OrderDelivered", "OrderCompleted", "OrderCancellationRequested", "OrderCancelled", "OrderFailed",
            ], topic: "shop/orders/{id}/status", expires: 7 * 24 * 3_600_000),
        FeedEntry(.inventory, events: Subject.inventory.events, topic: "shop/inventory/{sku}"),
    ]
}

extension FeedEntry {
    /// `off` is the empty list. What is wrong has been reported, and is left out.
    static func readAll(_ key: String, of fields: Fields) -> [FeedEntry]? {
        guard let value = fields.value(key) else { return nil }
        if case .scalar("off", _) = value.shape { return [] }
        let items = fields.list(key) ?? []
        if items.count > most { fields.diagnostics.error(at: value.position, "'\(key)' has at most \(most) entries") }
        return items.compactMap { read(Fields($0, "an entry of '\(key)'", fields.diagnostics)) }
    }

    private static func read(_ fields: Fields) -> FeedEntry? {
        let diagnostics = fields.diagnostics
        let events = fields.strings("events") ?? []
        let topic = fields.string("topic")
        let isRetained = fields.bool("retain") ?? true
        let expires = fields.milliseconds("expires", in: 0...2_592_000_000) ?? 0
        fields.finish()
        for key in ["events", "topic"] where !fields.has(key) { diagnostics.error(at: fields.position, "\(fields.what) needs '\(key)'") }
        guard let topic, let first = events.first else {
            if fields.has("events"), events.isEmpty { diagnostics.error(at: fields.position(of: "events"), "'events' needs at least one") }
            return nil
        }
        guard let subject = Subject.allCases.first(where: { $0.events.contains(first.text) }) else {
            let known = Subject.allCases.flatMap(\.events)
            diagnostics.error(
                at: first.position, "'\(first.text)' is no event of orders or stock" + Spelling.hint(first.text, among: known))
            return nil
        }
        for (text, position) in events where !subject.events.contains(text) {
            let isOther = Subject.allCases.contains { $0.events.contains(text) }
            let why = isOther ? "is not of the same kind as '\(first.text)': they need an entry each" : "is no event of orders or stock"
            diagnostics.error(at: position, "'\(text)' \(why)" + (isOther ? "" : Spelling.hint(text, among: subject.events)))
        }
        if let problem = problem(of: topic, subject) { diagnostics.error(at: fields.position(of: "topic"), "'\(topic)' \(problem)") }
        if expires % 1000 != 0 { diagnostics.error(at: fields.position(of: "expires"), "'expires' is whole seconds") }
        return FeedEntry(subject, events: events.map(\.text), topic: topic, isRetained: isRetained, expires: expires)
    }

    /// Nil = it is a topic of ours.
    private static func problem(of topic: String, _ subject: Subject) -> String? {
        guard topic.utf8.count <= longestTopic else { return "is longer than \(longestTopic) bytes" }
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard !levels.contains(""), !topic.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return "has a level without a name" }
        guard !topic.hasPrefix("$") else { return "begins with '$': such topics are the broker's own" }
        guard !topic.contains(where: { $0 == "+" || $0 == "#" }) else { return "is a filter: messages go to one topic" }
        guard let head = levels.first, !head.contains("{") else { return "has to begin with a level that is written out" }
        for level in levels where level.contains("{") || level.contains("}") {
            guard subject.parameters.contains(level) else {
                return "has '\(level)', which is none of \(subject.parameters.joined(separator: ", "))"
            }
        }
        return levels.contains { $0.hasPrefix("{") } ? nil : "says of no \(subject == .orders ? "order" : "product") which it is: it needs {id}"
    }
}

public import Bus
import Contracts
public import EventCore
public import Settings

/// A message of the gateway's own, made from what has happened.
public struct FeedMessage: Sendable, Equatable {
    public var topic: [UInt8]
    /// JSON.
    public var payload: [UInt8]
    public var isRetained: Bool
    /// Wall clock milliseconds since 1970 after which it is of no use; nil = never.
    public var expiresMS: UInt64?

    public init(topic: [UInt8], payload: [UInt8], isRetained: Bool, expiresMS: UInt64? = nil) {
        self.topic = topic
        self.payload = payload
        self.isRetained = isRetained
        self.expiresMS = expiresMS
    }
}

/// Where such messages go.
public protocol TopicSink: Sendable {
    /// `done` once the message cannot be lost any more. It must end by itself.
    func publish(_ message: FeedMessage) async -> Applied
}

/// Tells topics what has become of orders and stock.
///
/// A message says how things stand, not what the event says: a subscriber that comes late, and one that gets a message
/// twice, sees the truth; versions of one aggregate never go back. States that follow each other faster than they are
/// published may be passed over.
public struct TopicFeed: Consumer {
    public let name: String
    public let types: Set<String>
    public let path: DeliveryPath? = .secondary
    private let entries: [Entry]
    private let skus: [Identifier: [String]]
    private let log: EventLog
    private let sink: any TopicSink
    private let now: @Sendable () -> Timestamp

    private struct Entry: Sendable {
        var settings: FeedEntry
        var types: Set<String>
        var levels: [String]
    }

    /// - Parameters:
    ///   - name: the checkpoint's.
    ///   - skus: of products; one that has none goes by its own id.
    public init(
        name: String, _ entries: [FeedEntry], skus: [Identifier: [String]] = [:], log: EventLog, sink: any TopicSink,
        now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.name = name
        self.entries = entries.map { entry in
            Entry(settings: entry, types: Set(entry.events), levels: entry.topic.split(separator: "/").map(String.init))
        }
        types = Set(entries.flatMap(\.events))
        self.skus = skus
        self.log = log
        self.sink = sink
        self.now = now
    }

    public func apply(_ event: StoredEvent) async -> Applied {
        guard let kind = AggregateKind(type: event.aggregate.type) else { return .done }
        let id = event.aggregate.id
        let state: AnyAggregate
        do throws(Refusal) {
            state = try await log.state(of: AggregateName(kind: kind, id: id))
        } catch {
            return .transient(Failure(reason: "the aggregate cannot be read"))
        }
        let subject: FeedEntry.Subject
        let said: (payload: [UInt8], at: Timestamp)
        switch state {
        case .order(let order):
            guard let milestone = order.timeline.last else { return .done }
            subject = .orders
            said = (Self.status(of: id, order, milestone), milestone.at)
        case .inventory(let stock):
            subject = .inventory
            said = (Self.stock(of: id, stock, at: now()), stock.updatedAt)
        default: return .done
        }
        for entry in entries where entry.settings.subject == subject && entry.types.contains(event.event.type) {
            var expiresMS: UInt64?
            if entry.settings.expires > 0 {
                let end = max(0, said.at.microseconds / 1000) + Int64(entry.settings.expires)
                if end <= now().microseconds / 1000 { continue }
                expiresMS = UInt64(end)
            }
            for topic in topics(entry.levels, of: id) {
                let applied = await sink.publish(
                    FeedMessage(topic: topic, payload: said.payload, isRetained: entry.settings.isRetained, expiresMS: expiresMS))
                guard applied == .done else { return applied }
            }
        }
        return .done
    }

    /// One for each sku where it says `{sku}`.
    private func topics(_ levels: [String], of id: Identifier) -> [[UInt8]] {
        let names = levels.contains("{sku}") ? skus[id] ?? ["\(id)"] : [""]
        return names.map { sku in
            let filled = levels.map { level in
                switch level {
                case "{id}": Self.level(id.bytes)
                case "{sku}": Self.level(Array(sku.utf8))
                default: Array(level.utf8)
                }
            }
            return Array(filled.joined(separator: [0x2f]))
        }
    }

    /// One level of a topic, whatever it is: what would end it, or is a wildcard, is written as in a path (`%2F`).
    private static func level(_ text: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return text.flatMap { byte in
            [0x23, 0x25, 0x2b, 0x2f].contains(byte) ? [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]] : [byte]
        }
    }

    /// `{"orderId","state","version","at"}`
    private static func status(of id: Identifier, _ order: Order, _ milestone: Order.Milestone) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("orderId")
        json.string(utf8: id.bytes.span)
        json.name("state")
        json.string(milestone.state.name.description)
        json.name("version")
        json.integer(order.version)
        json.name("at")
        json.string(milestone.at.description)
        json.endObject()
        return json.sink
    }

    /// `{"productId","onHand","available","version"}`; what is available is 0 when more is promised than there is.
    private static func stock(of id: Identifier, _ stock: Inventory, at now: Timestamp) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("productId")
        json.string(utf8: id.bytes.span)
        json.name("onHand")
        json.integer(stock.onHand)
        json.name("available")
        json.integer(max(0, stock.available(at: now)))
        json.name("version")
        json.integer(stock.version)
        json.endObject()
        return json.sink
    }
}

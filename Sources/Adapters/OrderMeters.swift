import EventCore
import Synchronization

/// Figures of the orders, read by whoever exports them. Those of placing come from the desk, which has prices and
/// address at hand; endings come from the log.
///
/// Currency and country are what customers write: the first `labels` pairs are counted by name, and only if they look
/// like such; all else is `other`.
public final class OrderMeters: Sendable {
    public struct Place: Hashable, Sendable {
        public var currency: String
        public var country: String
    }

    public struct Histogram: Sendable {
        /// Upper bounds.
        public let bounds: [Double]
        /// One more than `bounds`: the last is for what exceeds them all.
        public private(set) var counts: [UInt64]
        public private(set) var sum = 0.0

        init(_ bounds: [Double]) {
            self.bounds = bounds
            counts = [UInt64](repeating: 0, count: bounds.count + 1)
        }

        mutating func add(_ value: Double) {
            counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
            sum += value
        }
    }

    public struct Figures: Sendable {
        /// Orders accepted.
        public fileprivate(set) var created: [Place: UInt64] = [:]
        /// Their totals, by currency, in its units.
        public fileprivate(set) var values: [String: Histogram] = [:]
        /// From the request to the acceptance, in seconds.
        public fileprivate(set) var creation = Histogram([0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10])
        /// Checkouts that came to nothing.
        public fileprivate(set) var failed: UInt64 = 0
        /// Reservations refused.
        public fileprivate(set) var unreserved: UInt64 = 0
    }

    /// Pairs of currency and country that have series of their own.
    static let labels = 64
    static let other = "other"

    private let figures = Mutex(Figures())

    init() {}

    public func read() -> Figures { figures.withLock { $0 } }

    func placed(_ total: Money, to country: String, seconds: Double) {
        var place = Place(currency: OrderMeters.currency(total.currency), country: OrderMeters.country(country))
        figures.withLock { figures in
            if figures.created[place] == nil && figures.created.count >= OrderMeters.labels {
                place = Place(currency: OrderMeters.other, country: OrderMeters.other)
            }
            figures.created[place, default: 0] += 1
            var values = figures.values[place.currency] ?? Histogram([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 100_000])
            values.add(Double(total.units) + Double(total.nanos) / 1e9)
            figures.values[place.currency] = values
            figures.creation.add(seconds)
        }
    }

    /// After each commit; looks at orders only.
    func follow(_ committed: Committed) {
        var failed: UInt64 = 0
        var unreserved: UInt64 = 0
        for batch in committed.batches where batch.aggregate.type == Order.type {
            for event in batch.events {
                if event.type == "OrderFailed" { failed += 1 }
                if event.type == "InventoryUnavailable" { unreserved += 1 }
            }
        }
        guard failed + unreserved > 0 else { return }
        figures.withLock { figures in
            figures.failed += failed
            figures.unreserved += unreserved
        }
    }

    /// Three capital letters (ISO 4217).
    static func currency(_ text: String) -> String {
        text.utf8.count == 3 && text.utf8.allSatisfy { (65...90).contains($0) } ? text : other
    }

    /// Letters, blanks and dashes: no digits, so that no number of a card becomes a label.
    static func country(_ text: String) -> String {
        let isName = text.unicodeScalars.allSatisfy { $0.properties.isAlphabetic || $0 == " " || $0 == "-" }
        return isName && (2...40).contains(text.utf8.count) ? text : other
    }
}

import Adapters
import Sagas
import Telemetry

/// The orders' figures as metric families.
enum OrderSeries {
    /// - Parameter active: orders whose sagas are not over.
    static func families(of meters: OrderMeters, active: Int) -> [Family] {
        let figures = meters.read()
        let places = figures.created.sorted { ($0.key.currency, $0.key.country) < ($1.key.currency, $1.key.country) }
        return [
            Family(
                "nexus_orders_created", .counter, "Orders accepted by the event core.",
                samples: places.map { place, count in
                    Sample(
                        .integer(count),
                        labels: [("currency", place.currency), ("country", place.country), ("arm", "event-sourced")])
                }),
            Family(
                "nexus_order_value", .histogram, "Totals of the orders accepted, in units of their currency.",
                samples: figures.values.sorted { $0.key < $1.key }.flatMap { samples($1, [("currency", $0)]) }),
            Family("nexus_orders_active", .gauge, "Orders whose sagas are not over.", .integer(UInt64(active))),
            Family(
                "nexus_order_creation_seconds", .histogram, "From the request to the acceptance of its order.", unit: "seconds",
                samples: samples(figures.creation, [])),
            Family("nexus_orders_failed", .counter, "Orders that came to nothing.", .integer(figures.failed)),
            Family(
                "nexus_inventory_reservation_failures", .counter, "Orders whose stock could not be reserved.",
                .integer(figures.unreserved)),
        ]
    }

    /// Cumulative buckets, sum and count.
    private static func samples(_ histogram: OrderMeters.Histogram, _ labels: [(String, String)]) -> [Sample] {
        var running: UInt64 = 0
        var out: [Sample] = []
        for (i, count) in histogram.counts.enumerated() {
            running += count
            let bound = i < histogram.bounds.count ? "\(histogram.bounds[i])" : "+Inf"
            out.append(Sample(.integer(running), labels: labels + [("le", bound)], suffix: "_bucket"))
        }
        out.append(Sample(.real(histogram.sum), labels: labels, suffix: "_sum"))
        out.append(Sample(.integer(running), labels: labels, suffix: "_count"))
        return out
    }
}

/// The kinds of metric both text formats know.
public enum MetricKind: Sendable, Hashable {
    case counter, gauge, histogram
}

/// One number with its labels.
public struct Sample: Sendable {
    public enum Value: Sendable, Hashable {
        case integer(UInt64)
        case real(Double)
        /// Nanoseconds, written as seconds without going through a binary fraction.
        case nanoseconds(UInt64)
    }

    /// Appended to the family's name: `_bucket`, `_sum`, `_count`, or nothing. The `_total` of a
    /// counter is added by the exposition, because the two formats want it in different places.
    public var suffix: String
    public var labels: [(name: String, value: String)]
    public var value: Value

    public init(_ value: Value, labels: [(name: String, value: String)] = [], suffix: String = "") {
        self.suffix = suffix
        self.labels = labels
        self.value = value
    }
}

/// A metric with all its samples. Rooms that know nothing of this one hand numbers to the
/// composition root, which adds them to `Meters` as families.
public struct Family: Sendable {
    /// Without `_total`; ends in the unit where there is one.
    public var name: String
    public var kind: MetricKind
    /// One sentence.
    public var help: String
    /// `seconds`, `bytes`, or empty.
    public var unit: String
    public var samples: [Sample]

    public init(_ name: String, _ kind: MetricKind, _ help: String, unit: String = "", samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.unit = unit
        self.samples = samples
    }

    /// A family with a single sample.
    public init(_ name: String, _ kind: MetricKind, _ help: String, unit: String = "", _ value: Sample.Value) {
        self.init(name, kind, help, unit: unit, samples: [Sample(value)])
    }
}

/// Durations added up over workers, ready to become the samples of a histogram.
public struct HistogramTotal: Sendable {
    var buckets = [UInt64](repeating: 0, count: Latency.count)
    var nanoseconds: UInt64 = 0

    public init() {}

    /// Adds one duration; for callers that keep their own totals (one thread).
    public mutating func record(nanoseconds n: UInt64) {
        buckets[Latency.bucket(n)] += 1
        nanoseconds &+= n
    }

    /// Cumulative buckets, sum and count. The count is the last bucket by construction, so a scrape
    /// that runs beside the writer is still consistent in itself.
    public func samples(labels: [(name: String, value: String)]) -> [Sample] {
        var out: [Sample] = []
        out.reserveCapacity(Latency.count + 2)
        var running: UInt64 = 0
        for i in 0..<Latency.count {
            running += buckets[i]
            out.append(Sample(.integer(running), labels: labels + [("le", Latency.labels[i])], suffix: "_bucket"))
        }
        out.append(Sample(.nanoseconds(nanoseconds), labels: labels, suffix: "_sum"))
        out.append(Sample(.integer(running), labels: labels, suffix: "_count"))
        return out
    }
}

public import Exchanges

/// The two text formats a scraper may ask for.
public enum Exposition: Sendable, Hashable {
    /// Prometheus text format 0.0.4.
    case prometheus
    /// OpenMetrics 1.0.
    case openMetrics

    public var contentType: StaticString {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// Writes `families` in their order; families of one name are joined where the first stands, as
    /// both formats want them in one piece. Families without samples are left out.
    public func render(_ families: [Family], into out: Buffer) {
        var order: [String] = []
        var joined: [String: Family] = [:]
        for family in families where !family.samples.isEmpty {
            if joined[family.name]?.samples.append(contentsOf: family.samples) == nil {
                order.append(family.name)
                joined[family.name] = family
            }
        }
        for name in order {
            if let family = joined[name] { write(family, into: out) }
        }
        if self == .openMetrics { out.append("# EOF\n" as StaticString) }
    }

    private func write(_ family: Family, into out: Buffer) {
        // 0.0.4 knows a counter by the name of its sample, 1.0 by the name without `_total`.
        let total = family.kind == .counter ? "_total" : ""
        let described = self == .prometheus ? family.name + total : family.name
        out.append("# TYPE \(described) \(family.kind.word)\n")
        if self == .openMetrics && !family.unit.isEmpty && family.name.hasSuffix("_" + family.unit) {
            out.append("# UNIT \(described) \(family.unit)\n")
        }
        out.append("# HELP \(described) ")
        escape(family.help, quotes: self == .openMetrics, into: out)
        out.append(UInt8(ascii: "\n"))
        for sample in family.samples {
            out.append(family.name)
            out.append(sample.suffix.isEmpty ? total : sample.suffix)
            write(sample.labels, into: out)
            out.append(UInt8(ascii: " "))
            write(sample.value, into: out)
            out.append(UInt8(ascii: "\n"))
        }
    }

    private func write(_ labels: [(name: String, value: String)], into out: Buffer) {
        guard !labels.isEmpty else { return }
        var separator = UInt8(ascii: "{")
        for label in labels {
            out.append(separator)
            out.append(label.name)
            out.append("=\"" as StaticString)
            escape(label.value, quotes: true, into: out)
            out.append(UInt8(ascii: "\""))
            separator = UInt8(ascii: ",")
        }
        out.append(UInt8(ascii: "}"))
    }

    private func write(_ value: Sample.Value, into out: Buffer) {
        switch value {
        case .integer(let n): out.append(decimal: n)
        case .nanoseconds(let n):
            out.append(decimal: n / 1_000_000_000)
            out.append(UInt8(ascii: "."))
            var digit: UInt64 = 100_000_000
            while digit > 0 {
                out.append(48 + UInt8(n / digit % 10))
                digit /= 10
            }
        case .real(let x):
            if x.isNaN {
                out.append("NaN" as StaticString)
            } else if x.isInfinite {
                out.append(x < 0 ? "-Inf" : "+Inf" as StaticString)
            } else {
                out.append(x.description)
            }
        }
    }

    private func escape(_ text: String, quotes: Bool, into out: Buffer) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): out.append("\\n" as StaticString)
            case UInt8(ascii: "\\"): out.append("\\\\" as StaticString)
            case UInt8(ascii: "\"") where quotes: out.append("\\\"" as StaticString)
            default: out.append(byte)
            }
        }
    }
}

extension MetricKind {
    fileprivate var word: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }
}

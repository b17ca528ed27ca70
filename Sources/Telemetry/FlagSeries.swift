import Exchanges
import Synchronization

/// The side of a flag, as metrics and logs name it.
public enum FlagSide: Int, Sendable, BitwiseCopyable, CaseIterable {
    /// Off: the fallback answered.
    case control
    /// On: the target did.
    case candidate

    var label: StaticString {
        switch self {
        case .control: "control"
        case .candidate: "candidate"
        }
    }
}

/// How an exchange on one side of a flag ended, in the same few words for every protocol, so that sides can be compared.
public enum FlagEnding: Int, Sendable, BitwiseCopyable, CaseIterable {
    case ok
    /// The caller's fault, or the domain's no: 4xx, and what gRPC says for it.
    case refused
    /// 5xx, and gRPC's UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS.
    case failed
    /// The client went before there was an answer.
    case cancelled

    /// - Parameters:
    ///   - status: of HTTP; 0 = none went out.
    ///   - grpcStatus: nil where there was none.
    public init(status: UInt16, grpcStatus: UInt32?) {
        switch (status, grpcStatus ?? 0) {
        case (0, 0), (_, 1): self = .cancelled
        case (500..., _), (_, 2), (_, 4), (_, 12...15): self = .failed
        case (400..., _), (_, 1...): self = .refused
        default: self = .ok
        }
    }

    var label: String { "\(self)" }
}

/// Counters of one flag on one worker: endings and durations of each side.
final class FlagSeries: Sendable {
    let flag: LabelTable.ID
    // Of each side: [0, 4) endings | [4, 19) duration buckets | sum of nanoseconds
    private let cells: InlineArray<40, Cell>
    private static let stride = 20

    init(flag: LabelTable.ID) {
        self.flag = flag
        cells = InlineArray<40, Cell> { _ in Cell(0) }
    }

    @inline(__always) func record(_ side: FlagSide, _ ending: FlagEnding, nanoseconds: UInt64) {
        let start = side.rawValue &* FlagSeries.stride
        cells[start &+ ending.rawValue].bump()
        cells[start &+ 4 &+ Latency.bucket(nanoseconds)].bump()
        cells[start &+ 19].bump(by: nanoseconds)
    }

    /// Added up over the workers.
    static func families(_ series: [FlagSeries], names: [String]) -> [Family] {
        var endings: [Sample] = []
        var durations: [Sample] = []
        for (flag, mine) in Dictionary(grouping: series, by: \.flag).sorted(by: { $0.key < $1.key }) {
            for side in FlagSide.allCases {
                func total(_ cell: Int) -> UInt64 { mine.reduce(0) { $0 &+ $1.cells[side.rawValue * stride + cell].read() } }
                let labels = [(name: "flag", value: names[Int(flag)]), (name: "arm", value: "\(side.label)")]
                for ending in FlagEnding.allCases {
                    endings.append(Sample(.integer(total(ending.rawValue)), labels: labels + [("ending", ending.label)]))
                }
                var latency = HistogramTotal()
                for i in 0..<Latency.count { latency.buckets[i] = total(4 + i) }
                latency.nanoseconds = total(19)
                durations += latency.samples(labels: labels)
            }
        }
        guard !endings.isEmpty else { return [] }
        return [
            Family("nexus_flag_exchanges", .counter, "Exchanges that ended, by flag, side and kind of ending.", samples: endings),
            Family(
                "nexus_flag_seconds", .histogram, "From the first byte of a request to the last byte of its answer, by side of a flag.",
                unit: "seconds", samples: durations),
        ]
    }
}

import Glibc

func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A line, at once also when nobody looks on.
func show(_ line: String) {
    print(line)
    fflush(nil)
}

/// CPU time of this process, user and system, in seconds.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Durations in nanoseconds, and their quantiles.
struct Durations: Sendable {
    private var values: [UInt64] = []

    mutating func add(_ value: UInt64) { values.append(value) }
    mutating func add(_ others: Durations) { values += others.values }

    /// `p50 p99 max` in milliseconds.
    var summary: String {
        let sorted = values.sorted()
        func at(_ share: Double) -> String {
            guard !sorted.isEmpty else { return "-" }
            let value = sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
            return decimal(Double(value) / 1e6, 2)
        }
        return "p50 \(at(0.5))  p99 \(at(0.99))  max \(at(1)) ms"
    }
}

func decimal(_ value: Double, _ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let whole = Int((value * scale).rounded())
    guard places > 0 else { return String(whole) }
    let fraction = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: places - fraction.count) + fraction
}

func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.utf8.count)) + text
}

func fileBytes(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

func removeStore(_ path: String) {
    for suffix in ["", "-wal", "-shm", ".lock", ".snapshots", ".snapshots-wal", ".snapshots-shm"] { unlink(path + suffix) }
}

/// The buckets of every duration this gateway exports: 0.5 ms to 10 s, fixed, so that series of
/// different workers, routes and releases can be added up.
enum Latency {
    /// Upper bounds in nanoseconds, inclusive, ascending; a last bucket holds what is longer.
    static let bounds: InlineArray<14, UInt64> = [
        500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]
    static let labels: [String] = [
        "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0",
        "10.0", "+Inf",
    ]
    /// Bounds plus the last, open bucket.
    static let count = 15

    /// Straight comparisons from the short end: nearly every request ends in the first few.
    @inline(__always) static func bucket(_ nanoseconds: UInt64) -> Int {
        var i = 0
        while i < 14 && nanoseconds > bounds[i] { i &+= 1 }
        return i
    }
}

import Glibc

/// What the clocks say: the wall's for what is compared with other processes and other lives of this one, the monotonic one for
/// waiting, so that a step of the wall clock ends no session.
struct Moment {
    /// Since 1970.
    var wallMS: UInt64
    /// Since some beginning.
    var monotonicMS: UInt64

    static func now() -> Moment {
        Moment(wallMS: read(CLOCK_REALTIME), monotonicMS: read(CLOCK_MONOTONIC))
    }

    /// A wall clock time as the monotonic clock will say it; times past are now.
    func monotonic(_ wall: UInt64) -> UInt64 {
        wall <= wallMS ? monotonicMS : monotonicMS.addingCapped(wall - wallMS)
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(max(0, time.tv_sec)) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}

extension UInt64 {
    func addingCapped(_ other: UInt64) -> UInt64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? .max : sum
    }
}

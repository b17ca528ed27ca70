/// What is known of an endpoint when somebody has to choose.
struct Standing: Equatable {
    /// As active checks last found it; healthy until they say otherwise.
    var isHealthy = true
    /// Left out because its answers failed, until then; loop milliseconds.
    var ejectedUntilMS: UInt64 = 0
    /// When it joined or was last found healthy again.
    var sinceMS: UInt64 = 0

    func isAvailable(nowMS: UInt64) -> Bool { isHealthy && ejectedUntilMS <= nowMS }

    /// Share of the load in 64ths: grows from `least` to all of it over `slowStart` milliseconds.
    func weight(nowMS: UInt64, slowStart: UInt32) -> UInt8 {
        // An ejection that ran out is a new beginning too, and nobody had to note it.
        let since = ejectedUntilMS <= nowMS ? max(sinceMS, ejectedUntilMS) : sinceMS
        let age = nowMS > since ? nowMS - since : 0
        guard slowStart > 0, age < UInt64(slowStart) else { return Selection.full }
        return max(Selection.least, UInt8(age * UInt64(Selection.full) / UInt64(slowStart)))
    }
}

/// Which endpoints may be chosen now, with what share each. Made when something has changed, used by
/// every choice until the next change.
struct Selection: Equatable {
    static let full: UInt8 = 64
    /// A tenth: an endpoint that gets nothing would never warm up.
    static let least: UInt8 = 6

    /// Numbers of endpoints.
    private(set) var members: [Int] = []
    /// Of each member, in 64ths; at least one has all of them.
    private(set) var weights: [UInt8] = []
    /// So few endpoints are available that all are used: a check that is wrong, or a failure of all, must
    /// not push the whole load on the few that are left.
    private(set) var isPanic = false
    /// When time alone changes it again; loop milliseconds.
    private(set) var nextChangeMS = UInt64.max

    init() {}

    /// - Parameters:
    ///   - panic: percent of the endpoints; when fewer are available, all are used.
    ///   - slowStart: milliseconds.
    init(of standings: [Standing], nowMS: UInt64, panic: Int, slowStart: UInt32) {
        for (number, standing) in standings.enumerated() where standing.isAvailable(nowMS: nowMS) {
            members.append(number)
            let weight = standing.weight(nowMS: nowMS, slowStart: slowStart)
            weights.append(weight)
            // The share grows in steps; a slower clock than the number of steps would waste them.
            if weight < Self.full { nextChangeMS = min(nextChangeMS, nowMS + max(20, UInt64(slowStart) / 64)) }
        }
        for standing in standings where standing.ejectedUntilMS > nowMS {
            nextChangeMS = min(nextChangeMS, standing.ejectedUntilMS)
        }
        isPanic = members.count * 100 < standings.count * panic
        if isPanic {
            members = Array(standings.indices)
            weights = Array(repeating: Self.full, count: members.count)
        }
        // Shares are relative: when all are new, all are equal.
        if let most = weights.max(), most < Self.full {
            weights = weights.map { UInt8(Int($0) * Int(Self.full) / Int(most)) }
        }
    }
}

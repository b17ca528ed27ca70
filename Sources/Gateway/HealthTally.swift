import Settings

/// Checks in a row, and what they come to: one lost packet is no illness, one answer no recovery.
struct HealthTally {
    private(set) var isHealthy: Bool
    /// Results in a row that speak against `isHealthy`.
    private var against = 0

    init(isHealthy: Bool) { self.isHealthy = isHealthy }

    /// - Returns: true when the result has changed `isHealthy`.
    mutating func record(_ passed: Bool, _ rule: Settings.Cluster.Health) -> Bool {
        guard passed != isHealthy else {
            against = 0
            return false
        }
        against += 1
        guard against >= (isHealthy ? rule.unhealthy : rule.healthy) else { return false }
        isHealthy = passed
        against = 0
        return true
    }
}

import Exchanges
import Pipeline
import Policies

/// Stages that let everybody pass, and a flag that is on for its share.
final class ScriptedStages: AdmissionStages {
    private let bucket: UInt16
    private let weight: UInt16
    /// What each stage says instead.
    var verdicts: [Stage: Verdict] = [:]

    init(bucket: UInt16 = 0, weight: UInt16 = 0) {
        self.bucket = bucket
        self.weight = weight
    }

    func identify(_ exchange: Exchange) -> Verdict { verdicts[.identify] ?? .proceed }
    func authorize(_ exchange: Exchange) -> Verdict { verdicts[.authorize] ?? .proceed }
    func charge(_ exchange: Exchange) -> Verdict { verdicts[.quota] ?? .proceed }
    func inspect(_ exchange: Exchange) -> Verdict { verdicts[.inspect] ?? .proceed }
    func findRepetition(_ exchange: Exchange) -> Verdict { verdicts[.replay] ?? .proceed }

    func steer(_ exchange: Exchange) -> Verdict {
        if let verdict = verdicts[.steer] { return verdict }
        if Steer.isOn(bucket: bucket, weight: weight) { exchange.target = exchange.rule.target }
        return .proceed
    }
}

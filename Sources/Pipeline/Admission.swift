public import Exchanges
public import Policies
public import Routes

/// What admission came to.
public enum Admitted: Sendable, BitwiseCopyable {
    /// Every stage has passed: hand it to its target.
    case dispatch
    /// A stage waits; call `advance` again when what it waits for is there.
    case parked(Stage)
    case refused(Outcome)
}

/// The stages that need more than the exchange and its table: key sets, policies, budgets, contracts, records, flags.
/// Each is called until it no longer parks, at most once with any other verdict.
public protocol AdmissionStages: AnyObject {
    func identify(_ exchange: Exchange) -> Verdict
    func authorize(_ exchange: Exchange) -> Verdict
    func charge(_ exchange: Exchange) -> Verdict
    func inspect(_ exchange: Exchange) -> Verdict
    func findRepetition(_ exchange: Exchange) -> Verdict
    func steer(_ exchange: Exchange) -> Verdict
}

/// The pipeline: runs a route's stages in their fixed order, each at most once, and leaves a mark
/// for each in the exchange's trail. It never waits itself and does no I/O.
public struct Admission {
    private let shield: Shield

    public init(limits: LimitTable, hash: KeyedHash) { shield = Shield(limits, hash: hash) }

    /// Goes on where the exchange stopped.
    /// - Parameters:
    ///   - peer: the client's address, or what a trusted proxy said of it.
    ///   - policy: a number of the route that stays the same over reloads, so that its limits do.
    ///   - now: monotonic nanoseconds.
    ///   - stages: whoever knows what the other stages rest on.
    public func advance(
        _ exchange: Exchange, table: RouteTable, peer: (high: UInt64, low: UInt64), policy: UInt16, now: UInt64,
        stages: any AdmissionStages
    ) -> Admitted {
        let rule = exchange.rule
        while let stage = rule.stages.first(without: exchange.done) {
            var index = Rule.none
            let verdict: Verdict
            switch stage {
            case .shield:
                index = rule.shield
                let limit = table.limits[Int(index)]
                verdict = shield.decide(
                    policy: policy, peer: peer, now: now,
                    rate: LimitRate(intervalNS: limit.emissionInterval, toleranceNS: limit.tolerance))
            case .identify:
                index = rule.identity
                verdict = stages.identify(exchange)
            case .authorize:
                index = rule.access
                verdict = stages.authorize(exchange)
            case .quota:
                index = rule.quota
                verdict = stages.charge(exchange)
            case .collect:
                verdict = Collect.decide(
                    complete: exchange.bodyComplete || exchange.requestBody == .none,
                    announced: exchange.requestBody.bytes, limit: rule.bodyLimit)
            case .inspect: verdict = stages.inspect(exchange)
            case .replay:
                index = rule.repetition
                verdict = stages.findRepetition(exchange)
            case .steer:
                index = rule.flag
                verdict = stages.steer(exchange)
            }
            switch verdict {
            case .proceed:
                exchange.trail.leave(Mark(stage: stage, word: .passed, rule: index))
                exchange.done.insert(StageSet(stage))
            case .park:
                exchange.trail.leave(Mark(stage: stage, word: .waited, rule: index))
                return .parked(stage)
            case .collect:
                exchange.trail.leave(Mark(stage: stage, word: .waited, rule: index))
                return .parked(.collect)
            case .answer(let outcome):
                exchange.trail.leave(Mark(stage: stage, word: .refused, rule: index))
                return .refused(outcome)
            }
        }
        return .dispatch
    }
}

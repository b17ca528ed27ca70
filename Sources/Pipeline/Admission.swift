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
    ///   - inspect: looks at the collected message.
    ///   - bucket: the bucket of the exchange's principal for its route's flag; asked when the flag is on for some.
    public func advance(
        _ exchange: Exchange, table: RouteTable, peer: (high: UInt64, low: UInt64), policy: UInt16, now: UInt64,
        inspect: () -> Verdict, bucket: () -> UInt16
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
            case .collect:
                verdict = Collect.decide(
                    complete: exchange.bodyComplete || exchange.requestBody == .none,
                    announced: exchange.requestBody.bytes, limit: rule.bodyLimit)
            case .steer:
                index = rule.flag
                let isForAll = rule.weight == Steer.buckets
                if isForAll || rule.weight > 0 && Steer.isOn(bucket: bucket(), weight: rule.weight) {
                    exchange.target = rule.target
                }
                verdict = .proceed
            case .inspect: verdict = inspect()
            case .identify, .authorize, .quota, .replay:
                // The route compiler refuses routes with these stages until they exist.
                verdict = .answer(Outcome(.internalError, "a stage of this route is not available"))
            }
            switch verdict {
            case .proceed:
                exchange.trail.leave(Mark(stage: stage, word: .passed, rule: index))
                exchange.done.insert(StageSet(stage))
            case .park:
                exchange.trail.leave(Mark(stage: stage, word: .waited, rule: index))
                return .parked(stage)
            case .answer(let outcome):
                exchange.trail.leave(Mark(stage: stage, word: .refused, rule: index))
                return .refused(outcome)
            }
        }
        return .dispatch
    }
}

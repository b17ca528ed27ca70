public import Exchanges

/// What a worker asks of the log for a request that a cluster answers: a record before the request is sent, and
/// another when it has been answered. The first one's position is its fence: who lost the claim changes nothing.
public enum UpstreamClaim: Sendable {
    /// May the request be sent?
    /// - Parameter takesOver: also when an earlier one's outcome is not known (`on_unknown: retry`).
    case reserve(takesOver: Bool)
    /// It has been answered.
    /// - Parameter kept: what repetitions are answered; nil = they cannot be.
    case complete(fence: UInt64, answer: StoredAnswer, kept: StoredAnswer?)
    /// It was never carried out, and its key is free again; `outcome` is what the client is told.
    case release(fence: UInt64, Outcome)
    /// The same, by an answer that says so.
    case decline(fence: UInt64, StoredAnswer)
}

extension UpstreamClaim {
    /// What becomes of it when nothing can be written. An upstream that has answered is believed: the record stays
    /// reserved, and repetitions are told that its outcome is not known.
    public func outcomeUnwritten(_ refusal: Reply.Outcome) -> Reply.Outcome {
        switch self {
        case .reserve: refusal
        case .complete(_, let answer, _), .decline(_, let answer): .upstream(answer)
        case .release(_, let outcome): .released(outcome)
        }
    }
}

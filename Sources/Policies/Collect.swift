public import Exchanges

/// `collect`: the stages behind it, or the target, need the whole body.
public enum Collect {
    /// - Parameters:
    ///   - complete: all of the body is there.
    ///   - announced: its length when the head said it.
    ///   - limit: bytes the route allows.
    public static func decide(complete: Bool, announced: UInt64?, limit: UInt64) -> Verdict {
        if let announced, announced > limit {
            return .answer(Outcome(.tooLarge, "the request body is larger than this route allows"))
        }
        return complete ? .proceed : .park
    }
}

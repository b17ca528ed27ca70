public import Exchanges

/// What is known of the request body that has gone to an origin: can it be sent once more?
public struct SentBody {
    /// All that has gone, while that is little; nil = nothing has, or it is not kept.
    public var kept: Buffer?
    /// Some of it is not kept: the request cannot be sent again.
    public var isLost = false
    /// Its end has gone too, with these trailers.
    public var isWhole = false
    public var trailers: Buffer?

    public init() {}

    /// As a new one.
    mutating func clear() {
        if kept != nil { kept = nil }
        isLost = false
        isWhole = false
        if trailers != nil { trailers = nil }
    }
}

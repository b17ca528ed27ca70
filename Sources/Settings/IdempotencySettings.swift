/// How long and how many requests are remembered, to know their repetitions.
public struct IdempotencySettings: Sendable, Equatable {
    public init() {}

    mutating func read(_ fields: Fields) {
        fields.finish()
    }
}

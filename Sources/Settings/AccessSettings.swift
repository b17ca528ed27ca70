/// Where the policies are that the stage `authorize` asks.
public struct AccessSettings: Sendable, Equatable {
    public init() {}

    mutating func read(_ fields: Fields) {
        fields.finish()
    }
}

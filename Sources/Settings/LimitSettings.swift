/// The limits that the stage `quota` charges, by their names.
public struct LimitSettings: Sendable, Equatable {
    public init() {}

    mutating func read(_ fields: Fields) {
        fields.finish()
    }
}

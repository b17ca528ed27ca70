/// Who is believed, and by which keys.
public struct IdentitySettings: Sendable, Equatable {
    public init() {}

    mutating func read(_ fields: Fields) {
        fields.finish()
    }
}

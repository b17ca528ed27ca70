public import Exchanges

/// A no, with its reason.
public struct Refusal: Error, Sendable {
    public var outcome: Outcome
    public var fields: [Invalid.Field]
    /// What clients read instead of the outcome's constant: for what another service has said.
    public var text: String?
    /// Somebody's rights are in the way, not what the object itself would say.
    public var isByPolicy = false

    public init(_ code: Code, _ detail: StaticString, field: String? = nil, retryAfterMS: UInt32 = 0) {
        outcome = Outcome(code, detail, retryAfterMS: retryAfterMS)
        fields = field.map { [Invalid.Field($0, detail.description)] } ?? []
    }
}

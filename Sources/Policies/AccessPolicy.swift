public import Exchanges

/// One policy as one route asks it: every name resolved, and only what can be decided on this route (docs/access.md).
public struct AccessPolicy: Sendable {
    /// Asked first; any one that holds refuses.
    public var denials: [AccessRule]
    /// Any one that holds is enough.
    public var grants: [AccessRule]

    public init(denials: [AccessRule], grants: [AccessRule]) {
        self.denials = denials
        self.grants = grants
    }

    /// Does somebody have to look into the body?
    public var readsBody: Bool { (denials + grants).contains { if case .field = $0.owner { true } else { false } } }
}

/// Conditions that hold together. Empty lists mean "any".
public struct AccessRule: Sendable {
    /// Whose the thing is that is asked for.
    public enum Owner: Sendable, Hashable, BitwiseCopyable {
        /// Nobody has to be.
        case anyone
        /// The path's parameter with this number.
        case parameter(Int)
        /// The field of the body with this number.
        case field(Int)
        /// Who the object's holder says.
        case object
    }

    /// In its policy.
    public var number: UInt16
    /// Any of them.
    public var roles: [[UInt8]] = []
    /// All of them.
    public var scopes: [[UInt8]] = []
    /// Bits by `Principal.Kind`; 0 = any.
    public var kinds: UInt8 = 0
    public var issuers: [[UInt8]] = []
    public var subjects: [[UInt8]] = []
    /// Each has one of its values.
    public var claims: [(name: [UInt8], values: [[UInt8]])] = []
    public var owner = Owner.anyone
    /// The object's, as the domain names them.
    public var states: [String] = []

    public init(number: UInt16) { self.number = number }

    public static func bit(_ kind: Principal.Kind) -> UInt8 { 1 << kind.rawValue }
}

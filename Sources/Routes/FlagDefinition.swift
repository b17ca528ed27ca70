public import Settings

/// A flag as its file says it, or as a route weighs it itself.
public struct FlagDefinition: Sendable, Equatable {
    public var name: String
    /// In the flag file, or of the first route that names it.
    public var position: SourcePosition
    /// In 1/10,000 of the users; what somebody sets while the gateway runs comes before it.
    public var weight: UInt16 = 0
    /// Users are dealt by it; another one deals everybody anew.
    public var salt: String
    /// The first that fits says the side, before the weight does.
    public var targets: [FlagTarget] = []
    /// Milliseconds for which what was begun on one side stays there without being added to; 0 = the weight decides
    /// each time anew.
    public var affinity = FlagDefinition.affinityByDefault
    public static let affinityByDefault: UInt32 = 30 * 86_400_000

    /// False = no flag file knows it, and its routes weigh it.
    public var isOfFile = true

    public init(name: String, position: SourcePosition) {
        self.name = name
        self.position = position
        salt = name
    }
}

/// Some users, and the side they are on whatever the weight.
public struct FlagTarget: Sendable, Equatable {
    public enum Whom: Sendable, Equatable {
        /// By their ids, as steering knows them.
        case users([String])
        case segment(SegmentDefinition)
    }

    public var whom: Whom
    public var isOn: Bool
}

/// What a principal must be: each condition that is not empty, by one of its values.
public struct SegmentDefinition: Sendable, Equatable {
    /// `user`, `service`, `session`, `anonymous`.
    public var kinds: [String] = []
    public var issuers: [String] = []
    public var roles: [String] = []
    public var scopes: [String] = []
    public var claims: [Claim] = []

    public struct Claim: Sendable, Equatable {
        public var name: String
        public var values: [String]
    }

    public static let kindNames = ["user", "service", "session", "anonymous"]

    var isEmpty: Bool { kinds.isEmpty && issuers.isEmpty && roles.isEmpty && scopes.isEmpty && claims.isEmpty }
}

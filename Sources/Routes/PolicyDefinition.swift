public import Exchanges
public import Settings

/// One policy as its author wrote it: who may do what names it. Default: nobody.
public struct PolicyDefinition: Sendable {
    public var name: String
    public var position: SourcePosition
    public var rules: [Rule] = []
    /// Whoever no rule allows or refuses is asked for outside (docs/access.md).
    public var asksOPA = false

    /// Conditions that hold together.
    public struct Rule: Sendable {
        /// As logs say it: its own name, or `rule-` and its number from 1.
        public var name: String
        public var position: SourcePosition
        /// A refusal wins over whatever allows.
        public var denies = false
        /// Any of them; empty = any role or none.
        public var roles: [String] = []
        /// All of them.
        public var scopes: [String] = []
        /// Any of them; empty = any, but see `Owner`.
        public var kinds: [Principal.Kind] = []
        /// Names in the configuration.
        public var issuers: [String] = []
        public var subjects: [String] = []
        public var claims: [Claim] = []
        public var owner: Owner?
        public var states: [State] = []
    }

    public struct Claim: Sendable, Equatable {
        public var name: String
        public var values: [String]
    }

    /// Whose the thing is. Users own by their subject; other kinds of principals only where the rule names them, for
    /// a service called `user-1` is not that user.
    public struct Owner: Sendable {
        public enum Place: Sendable, Equatable {
            /// Of the path.
            case parameter(String)
            /// Of the message or JSON body: `user_id` or `a.b`.
            case field(String)
            /// What the event core holds.
            case object
        }
        public var place: Place
        public var position: SourcePosition
    }

    /// Of the object, as the domain names it.
    public struct State: Sendable {
        public var name: String
        public var position: SourcePosition
    }
}

extension Principal.Kind {
    /// In the order of their numbers.
    static let words = ["anonymous", "session", "service", "user"]

    init?(word: String) {
        guard let place = Self.words.firstIndex(of: word) else { return nil }
        self.init(rawValue: UInt8(place))
    }
}

/// What is left of an authorization once roles and the request have been looked at: conditions on the object
/// itself, which only who holds it can check, at the moment it decides. Any one grant is enough.
public struct ObjectAccess: Sendable, Equatable {
    public struct Grant: Sendable, Equatable {
        /// The object must be this subject's; nil = anybody's.
        public var owner: [UInt8]?
        /// The object must be in one of these states, as the domain names them (`Created` …); empty = any.
        public var states: [String]
        /// Number of the policy's rule that grants it.
        public var rule: UInt16

        public init(owner: [UInt8]?, states: [String] = [], rule: UInt16 = 0) {
            self.owner = owner
            self.states = states
            self.rule = rule
        }
    }

    public var grants: [Grant]
    public init(_ grants: [Grant]) { self.grants = grants }
}

public import EventCore
public import Exchanges
public import Identity
public import Topics

/// What of this process answers requests that the log alone cannot. Made once, before the workers start.
public struct Desks: Sendable {
    /// Nil = there is no checkout, and its requests are refused.
    public var checkout: (any CheckoutDesk)?
    /// Nil = the operations `sagas` and `dead_letters` are refused.
    public var admin: (any AdminDesk)?
    /// Credentials that are no longer believed.
    public var revocations: Revocations
    /// The weights in force.
    public var flags: FlagBoard

    /// Nil = no listener speaks MQTT, and the target `topics` is refused.
    public var broker: Broker?
    /// The key of the digests by which requests are told from their repetitions.
    public var repeatSecret: RepeatDigest.Key

    public init(
        checkout: (any CheckoutDesk)? = nil, admin: (any AdminDesk)? = nil, revocations: Revocations = Revocations(),
        flags: FlagBoard = FlagBoard(), broker: Broker? = nil, repeatSecret: RepeatDigest.Key = RepeatDigest.Key()
    ) {
        self.checkout = checkout
        self.admin = admin
        self.revocations = revocations
        self.flags = flags
        self.broker = broker
        self.repeatSecret = repeatSecret
    }
}

/// Answers what people ask about the core's work, and does what they want done about it.
public protocol AdminDesk: Sendable {
    /// Called in a task of its own, which may take its time.
    func answer(_ request: AdminRequest) async -> AdminAnswer
}

/// A request of a route with the target `sagas` or `dead_letters`. All texts are the client's, decoded.
public struct AdminRequest: Sendable {
    public enum Subject: Sendable, Equatable { case sagas, deadLetters, flags, revocations, mqtt }

    public var subject: Subject
    public var verb: Verb
    /// What stands in the path for the route's parameters, by their names.
    public var path: [(name: String, value: String)]
    /// The query's parameters, in their order; at most 32.
    public var query: [(name: String, value: String)]
    /// At most 64 KiB; whatever it is.
    public var body: [UInt8]
    /// Who asks: a principal's subject, the name in a client certificate, or an address.
    public var by: String

    public init(
        subject: Subject, verb: Verb, path: [(name: String, value: String)] = [],
        query: [(name: String, value: String)] = [], body: [UInt8] = [], by: String = ""
    ) {
        self.subject = subject
        self.verb = verb
        self.path = path
        self.query = query
        self.body = body
        self.by = by
    }

    /// The path's parameter of this name.
    public func parameter(_ name: String) -> String? { path.first { $0.name == name }?.value }
    /// The first of the query's parameters of this name.
    public func query(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

public struct AdminAnswer: Sendable {
    /// Of HTTP.
    public var status: UInt16
    /// A JSON text; problem documents where the status is one of an error.
    public var body: [UInt8]

    public init(status: UInt16 = 200, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

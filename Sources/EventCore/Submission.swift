public import Exchanges

/// What a worker hands to the log.
public struct Submission: Sendable {
    public enum Work: Sendable {
        case command(Command, expected: ExpectedVersion)
        case query(Query)
        /// All of them, in this order, or none: in one transaction. The gateway's own.
        case together([Command])
        /// The aggregate as it is. The gateway's own.
        case state(AggregateName)
        /// The aggregate as the command leaves it. The gateway's own.
        case stateAfter(Command)
        /// What the first request with this key came to, if there was one: nothing is done. The gateway's own.
        case recall
        /// This has been done, in answer to the request with this key. The gateway's own.
        case remember(Accepted)
        /// Of a request that a cluster answers.
        case claim(UpstreamClaim)
        /// The sender of a message with QoS 2 has heard that it was taken: its packet identifier is free. Answered by
        /// `releasedDelivery`.
        case releaseDelivery(session: UInt64, packetID: UInt16)
        /// The session is over: nothing of it will come again. The gateway's own.
        case forgetDeliveries(session: UInt64)
    }

    /// Whom the reply is for.
    public var ticket: Ticket
    public var work: Work
    /// Of the events a command causes.
    public var metadata: Metadata
    /// What the aggregate must be for whoever asks; nil = anything.
    public var access: ObjectAccess?
    /// What makes it a repetition of another submission; nil = nothing does.
    public var repeatKey: RepeatKey?
    /// The same for a message that is sent until it is answered; nil = it is not one.
    public var delivery: DeliveryMark?
    /// Once, for an aggregate to be loaded: it does so at most once for each that is being loaded.
    var hasWaited = false

    public init(
        ticket: Ticket, work: Work, metadata: Metadata = Metadata(), access: ObjectAccess? = nil, repeatKey: RepeatKey? = nil,
        delivery: DeliveryMark? = nil
    ) {
        self.ticket = ticket
        self.work = work
        self.metadata = metadata
        self.access = access
        self.repeatKey = repeatKey
        self.delivery = delivery
    }
}

/// What the log answers. It leaves the log only when all it rests on is on disk.
public struct Reply: Sendable {
    public enum Outcome: Sendable {
        case accepted(Accepted)
        /// A JSON document and the aggregate's version.
        case found(body: [UInt8], version: UInt64)
        case refused(Refusal)
        /// Of each command of `together`.
        case acceptedTogether([Accepted])
        case state(AnyAggregate)
        /// What an earlier request came to that this one repeats: for `together`, its first command.
        case repeated(Accepted)
        /// Of `recall`: there was none.
        case notRepeated
        /// Of `reserve`: send it. The fence is for what follows.
        case reserved(fence: UInt64, RepeatKey)
        /// Of `reserve`: the first request with the key is on its way.
        case underWay
        /// An upstream's answer to this request.
        case upstream(StoredAnswer)
        /// The same, to the one that this repeats.
        case upstreamRepeated(StoredAnswer)
        /// Of `release`.
        case released(Exchanges.Outcome)
        /// It has come before, and was carried out then.
        case delivered
        /// Of `releaseDelivery`: was it remembered? Of `forgetDeliveries` the same.
        case releasedDelivery(isKnown: Bool)
        /// A whole answer: what a checkout came to. `fields` are whole lines, CRLF each.
        case answered(status: UInt16, body: [UInt8], fields: [UInt8])
    }

    public var ticket: Ticket
    public var outcome: Outcome
    /// It is what an earlier request came to.
    public var isRepeated: Bool

    public init(ticket: Ticket, outcome: Outcome, isRepeated: Bool = false) {
        self.ticket = ticket
        self.outcome = outcome
        self.isRepeated = isRepeated
    }
}

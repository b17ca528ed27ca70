public import Exchanges
public import Policies
public import Routes
public import Telemetry

/// One admission and one ending. Pooled by its worker, bound to its loop, not Sendable; what leaves
/// the worker is its `ticket`.
public final class Exchange {
    /// The life this object is in; a late answer carries another generation.
    public internal(set) var ticket: Ticket
    /// Strong while the exchange lives; `recycle` breaks the circle.
    public var wire: (any Wire)?
    public var origin: (any Origin)?
    /// The same object as `wire` while client and origin speak different dialects.
    public var translation: (any Translation)?

    public var head = Head()
    /// The bytes `head` points into, from offset 0 of its readable part.
    public var text: Buffer?
    public var rule = Rule()
    /// Index of `rule` in its table; `Rule.none` = no route.
    public var route = Rule.none
    public var captures = Captures()

    /// Who asks, once `identify` has said so.
    public var principal: Principal?
    /// Who its connection is, where that was settled when it was opened (MQTT): `identify` has nothing else to go by.
    public var sessionPrincipal: Principal?
    /// How its message is known when it is sent again.
    public var delivery: DeliveryMark?
    /// Its session's id was made here: the client hears of it with the answer.
    public var isNewSession = false
    /// What the object's holder still has to check; nil = nothing.
    public var access: ObjectAccess?
    /// What `authorize` came to.
    public var accessMark = AccessMark()
    /// What makes it a repetition of another request, where its route asks.
    public var repeatKey: RepeatKey?
    /// What `quota` has charged, until the exchange ends.
    public var charges = Charges()
    /// Its upstream may be asked, under this number; nil = it has not been reserved, or need not be.
    public var repeatFence: UInt64?
    /// Its answer is what an earlier request came to.
    public var isRepetition = false
    /// A stage waits for somebody to wake it.
    public var isParked = false
    /// Which side of its route's flag it is on.
    public var arm = Arm.none
    /// Why, where something that was begun there decided it.
    public var affinity = AffinityMark()
    /// Whose that is; its room stays over the lives. Nil before the first that asks.
    public var entity: Buffer?

    public var done: StageSet = []
    public var trail = Trail()

    public var requestBody = BodySize.none
    /// The collected body, once `collect` was asked to wait for it.
    public var body: Buffer?
    public var bodyComplete = false
    /// Part of the body has gone to an origin.
    public var bodyBegun = false
    /// What of it could go again.
    public var sent = SentBody()

    /// Loop nanoseconds of the first byte.
    public var startedNS: UInt64 = 0
    /// Loop milliseconds after which a stream's life is over; 0 = never.
    public var endsByMS: UInt64 = 0
    public var requestID: UInt64 = 0
    /// The context sent upstream; its span is this exchange's.
    public var trace = TraceContext(traceHigh: 0, traceLow: 0, span: 0, isSampled: false)
    /// The `traceparent` of the request was used: its `tracestate` goes on with it.
    public var continuesTrace = false
    /// The correlation id in force, as it is returned, forwarded and logged.
    public let correlationID = Buffer(capacity: 40)
    /// The endpoint that answers, for the log.
    public var endpoint: [UInt8] = []
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    /// The status that went out; 0 = none yet.
    public var status: UInt16 = 0
    /// The gRPC status that went out or came from upstream, where there was one.
    public var grpcStatus: UInt32?
    public var attempts: UInt8 = 0
    /// Which life of its cluster's breaker the present attempt belongs to.
    public var breakerLife: UInt32 = 0
    /// Of an exchange of the gateway's own: an attempt has ended that may have had its effect.
    public var mayHaveRun = false
    /// What the client has said of the answer, where its target asked.
    public var wishes = Wishes()
    /// The request asks to switch protocols, and its route allows that.
    public var wantsUpgrade = false
    /// Which of the worker's configuration generations this exchange began with.
    public var era: UInt16 = 0
    /// The target in force: the rule's own, or the fallback that steering chose.
    public var target = Target.operation(.live)

    public init(ticket: Ticket) { self.ticket = ticket }

    /// Is all of the request still here, so that it could be sent again?
    public var isRepeatable: Bool { requestBody == .none || body != nil || !sent.isLost }

    /// Makes it fit for its next life; capacity of the field list stays.
    public func recycle() {
        ticket.generation &+= 1
        wire = nil
        origin = nil
        head.clear()
        text = nil
        route = Rule.none
        captures = Captures()
        forgetExtras()
        delivery = nil
        repeatKey = nil
        isNewSession = false
        accessMark = AccessMark()
        charges.clear()
        repeatFence = nil
        isRepetition = false
        isParked = false
        arm = .none
        affinity = AffinityMark()
        done = []
        trail = Trail()
        requestBody = .none
        bodyComplete = false
        bodyBegun = false
        startedNS = 0
        endsByMS = 0
        bytesIn = 0
        bytesOut = 0
        status = 0
        grpcStatus = nil
        attempts = 0
        breakerLife = 0
        mayHaveRun = false
        wishes = Wishes()
        wantsUpgrade = false
        continuesTrace = false
        correlationID.clear()
    }

    /// What a plain request has none of: to look costs less than to let go of nothing.
    private func forgetExtras() {
        if translation != nil { translation = nil }
        if principal != nil { principal = nil }
        if sessionPrincipal != nil { sessionPrincipal = nil }
        if access != nil { access = nil }
        if let entity { entity.clear() }
        if body != nil { body = nil }
        sent.clear()
        if !endpoint.isEmpty { endpoint = [] }
    }
}

/// The side of a flag.
public enum Arm: UInt8, Sendable, BitwiseCopyable {
    /// The route has no flag.
    case none
    /// The flag is off: the fallback answers.
    case control
    /// It is on: the target does.
    case candidate
}

/// What a client would like of its answer.
public struct Wishes: Sendable, BitwiseCopyable {
    /// Seconds of `Prefer: wait` that are honoured; negative = it has not said.
    public var wait: Int16 = -1
    /// The least version that a query's answer must have.
    public var minVersion: UInt64 = 0
    /// Since when that has been waited for, loop milliseconds; 0 = not at all.
    public var waitsSinceMS: UInt64 = 0

    public init() {}
}

extension Exchange {
    /// What metrics count as its code: the gRPC status of a gRPC call, else the HTTP status.
    public var recordedStatus: UInt16 {
        guard head.dialect.callsGRPC, let grpcStatus else { return status }
        return UInt16(clamping: grpcStatus)
    }
}

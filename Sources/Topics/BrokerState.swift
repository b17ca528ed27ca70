import Exchanges
import WireMQTT

/// All that the broker knows, and what it does about requests. It has no thread and no clock: whoever drives it carries out a group of
/// requests, commits `changes`, says whether that worked (`committed`, `commitFailed`), calls `send`, and hands out `replies`.
///
/// `changes` only grows until it is committed, and always leads from what is on disk to what is in memory: a group whose
/// commit failed is undone by further changes, not by taking some away.
final class BrokerState {
    let options: Broker.Options
    /// There is a store.
    let stores: Bool
    let workers: Int

    var replies: [BrokerReply] = []
    var changes: [SessionChange] = []
    /// A reply of this group, or what it sends, rests on `changes`.
    var needsCommit = false
    /// The last commit worked. While it did not, what would have to be stored is refused at once.
    var canStore = true
    /// Workers whose mailbox is full.
    var blocked: Set<UInt16> = []
    var figures = BrokerFigures()

    var byNumber: [UInt64: Session] = [:]
    var byClient: [[UInt8]: Session] = [:]
    let holders = Holders()
    var subscriptions = SubscriptionTree()
    var retained = RetainedMessages()
    /// What the gateway says of itself: as `retained`, but in memory alone, and of nobody's bounds.
    var own = RetainedMessages()
    /// Sessions without a connection, by when they end.
    var ends = Deadlines<UInt64>()
    var wills = Deadlines<UInt64>()
    var withWill = 0
    /// Sessions that may have something to send.
    var ready: [Session] = []
    /// Shared subscriptions whose absent members have something for those who are there.
    var due: [ShareGroup] = []
    /// How many of them wait for room.
    var starved = 0
    /// Messages that this group has routed.
    var outgoing = 0
    /// Refused messages, where there is no store.
    var shelf = RefusedShelf()

    var nextSession: UInt64
    var nextMessage: UInt64 = 1
    var nextRefused: UInt64 = 1

    /// What the replies of this group promise, in case its commit fails.
    var promises: [Promise] = []
    /// Queue entries that this group has made.
    var enqueued: [(session: Session, sequence: UInt64)] = []
    /// Replies that wait for the next commit that works.
    var patient: [BrokerReply] = []
    /// Sent since the last commit, and not known to the store.
    var unrecorded: [(session: Session, sequence: UInt64)] = []

    // Memory that is used again.
    var nodes: [FilterNode] = []
    var hits: [Hit] = []
    var hitSerial: UInt64 = 0

    init(options: Broker.Options, stores: Bool, workers: Int, _ now: Moment) {
        self.options = options
        self.stores = stores
        self.workers = max(1, workers)
        // Numbers of sessions that are not stored are not used again either, whenever the process starts: a million sessions for each
        // millisecond. However wrong the clock is, there is room above them, and the store can keep them.
        nextSession = (now.wallMS % (1 << 42)) << 20
    }

    func handle(_ request: BrokerRequest, _ now: Moment) {
        switch request {
        case .attach(let attach): self.attach(attach, now)
        case .judged(let session, let ticket, let refused): judged(session, ticket, refused)
        case .detach(let session, let ticket, let departure): detach(session, ticket, departure, now)
        case .subscribe(let session, let ticket, let packetID, let asked): subscribe(session, ticket, packetID, asked, now)
        case .unsubscribe(let session, let ticket, let packetID, let filters): unsubscribe(session, ticket, packetID, filters, now)
        case .publish(let message, let from, let packetID, let ticket): publish(message, from: from, packetID: packetID, ticket, now)
        case .settle(let session, let ticket, let packetID, let settlement): settle(session, ticket, packetID, settlement)
        case .release(let session, let ticket, let packetID): release(session, ticket, packetID)
        case .hold(let session, let ticket, let isHeld): hold(session, ticket, isHeld)
        case .refuse(let message, let ticket): refuse(message, ticket)
        }
    }

    /// The session, if this is its connection.
    func session(_ handle: SessionHandle, of ticket: Ticket) -> Session? {
        guard let session = byNumber[handle.number], session.ticket == ticket else { return nil }
        return session
    }

    /// Monotonic milliseconds at which `expire` has something to do; nil = not as things are.
    func nextDue(_ now: Moment) -> UInt64? {
        let first = min(ends.first?.at ?? .max, wills.first?.at ?? .max)
        return first == .max ? nil : first
    }

    func reply(_ ticket: Ticket, _ what: BrokerReply.What) { replies.append(BrokerReply(ticket, what)) }

    /// It may have something to send.
    func wake(_ session: Session) {
        guard !session.isReady else { return }
        session.isReady = true
        ready.append(session)
    }

    /// What is counted anew, not along the way.
    func readFigures() -> BrokerFigures {
        figures.sessions = byNumber.count
        figures.subscriptions = subscriptions.count
        figures.retained = retained.count
        figures.retainedBytes = retained.bytes
        return figures
    }
}

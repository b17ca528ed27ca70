import Exchanges
import Glibc
import Synchronization

/// The broker's thread: takes what has been handed in, carries it out in groups, commits each, and hands out the replies.
struct BrokerLoop {
    /// Requests in one transaction.
    static let group = 1024
    /// Replies and deliveries that end a group early: a few messages to very many subscribers are handed out before more are
    /// looked at.
    static let mostOut = 65_536
    /// Milliseconds that what no reply rests on may wait for a commit.
    static let lazyMS: UInt64 = 100
    /// Milliseconds between attempts while the store or a worker does not take anything.
    static let retryStoreMS: UInt64 = 100
    static let retryWorkerMS: UInt64 = 2
    /// Replies that workers have not taken, above which no more is carried out.
    static let mostLate = 65_536

    let state: BrokerState
    let store: (any SessionStore)?
    let inbox: BrokerInbox
    let figures: BrokerMeters
    let clock: @Sendable () -> Moment
    var outbox: Outbox
    /// Monotonic milliseconds since when something waits for a commit that nothing hurries.
    private var lazySince: UInt64?
    private var nextAttempt: UInt64 = 0
    private var asked: [CheckedContinuation<Bool, Never>] = []

    init(
        state: BrokerState, store: (any SessionStore)?, inbox: BrokerInbox, figures: BrokerMeters, outbox: Outbox,
        clock: @escaping @Sendable () -> Moment = Moment.now
    ) {
        self.state = state
        self.store = store
        self.inbox = inbox
        self.figures = figures
        self.outbox = outbox
        self.clock = clock
    }

    mutating func run() {
        var taken: [BrokerInbox.Item] = []
        while inbox.take(into: &taken, waitingMS: patience()) {
            var from = 0
            repeat {
                let through = carryOut(taken, from: from)
                inbox.finished(through - from)
                from = through
                while outbox.lateCount > BrokerLoop.mostLate && !inbox.isClosed {
                    usleep(UInt32(BrokerLoop.retryWorkerMS * 1000))
                    outbox.retry()
                }
            } while from < taken.count
            taken.removeAll(keepingCapacity: taken.capacity <= 4 * BrokerLoop.group)
        }
        finish()
    }

    /// Milliseconds until there is something to do unasked.
    private func patience() -> UInt64 {
        let now = clock()
        var until = state.nextDue(now) ?? .max
        if outbox.isLate { until = min(until, now.monotonicMS + BrokerLoop.retryWorkerMS) }
        if let lazySince { until = min(until, max(lazySince + BrokerLoop.lazyMS, nextAttempt)) }
        return until <= now.monotonicMS ? 0 : min(until - now.monotonicMS, 60_000)
    }

    /// One group.
    /// - Returns: the index behind it.
    mutating func carryOut(_ items: [BrokerInbox.Item], from: Int) -> Int {
        let now = clock()
        outbox.retry()
        state.blocked = outbox.blocked
        // First what is left of earlier groups: if it goes, the store is there again.
        if !state.canStore && now.monotonicMS >= nextAttempt { commit(now) }
        state.expire(now)
        var i = from
        while i < items.count && i - from < BrokerLoop.group && state.replies.count + state.outgoing < BrokerLoop.mostOut {
            switch items[i] {
            case .request(let request): state.handle(request, now)
            case .inquiry(let inquiry): answer(inquiry, now)
            }
            i += 1
        }
        settle(now)
        // Behind the commit: what is handed over is known to be kept, and no promise rests on it.
        if !state.due.isEmpty {
            state.handOver()
            settle(now)
        }
        handOut(now)
        return i
    }

    /// Commits what has to be, or has waited long enough.
    private mutating func settle(_ now: Moment) {
        let isDue = lazySince.map { now.monotonicMS >= $0 + BrokerLoop.lazyMS } ?? false
        if state.needsCommit || isDue && now.monotonicMS >= nextAttempt {
            commit(now)
        } else {
            state.committed(durably: false)
        }
        noteLazy(now)
    }

    private mutating func noteLazy(_ now: Moment) {
        if !state.hasChanges { lazySince = nil } else if lazySince == nil { lazySince = now.monotonicMS }
    }

    private mutating func commit(_ now: Moment) {
        guard let store else { return state.committed(durably: true) }
        if !state.canStore && now.monotonicMS < nextAttempt { return giveUp(now) }
        state.gatherChanges()
        let began = BrokerLoop.seconds()
        do {
            if !state.changes.isEmpty { try store.commit(state.changes) }
            state.figures.commits += 1
            state.figures.commitSeconds.add(BrokerLoop.seconds() - began)
            lazySince = nil
            state.committed(durably: true)
            for continuation in asked { continuation.resume(returning: true) }
            asked.removeAll()
        } catch {
            state.figures.failedCommits += 1
            nextAttempt = now.monotonicMS + BrokerLoop.retryStoreMS
            giveUp(now)
        }
    }

    private mutating func giveUp(_ now: Moment) {
        state.commitFailed(now)
        for continuation in asked { continuation.resume(returning: false) }
        asked.removeAll()
    }

    private mutating func handOut(_ now: Moment) {
        state.send(now)
        outbox.send(state.replies)
        state.replies.removeAll(keepingCapacity: state.replies.capacity <= 4 * BrokerLoop.group)
        state.figures.dropped.mailboxFull += outbox.takeLeft()
        noteLazy(now)
        figures.set(state.readFigures())
    }

    private mutating func answer(_ inquiry: Inquiry, _ now: Moment) {
        switch inquiry {
        case .tell(let messages): state.tell(messages)
        case .sessions(let after, let limit, let continuation):
            continuation.resume(returning: state.list(after: after, limit: limit))
        case .kick(let clientID, let continuation):
            let session = state.byClient[clientID]
            let isConnected = session?.isConnected ?? false
            if let session { state.kick(session, now) }
            continuation.resume(returning: isConnected)
        case .forgetRefused(let number, let continuation):
            guard state.forgetRefused(number) else { return continuation.resume(returning: false) }
            guard store != nil else { return continuation.resume(returning: true) }
            state.needsCommit = true
            asked.append(continuation)
        case .refusedCount(let continuation): continuation.resume(returning: state.shelf.count)
        case .refused(let before, let limit, let continuation):
            continuation.resume(returning: state.shelf.list(before: before, limit: limit).map { RefusedEntry(number: $0.number, message: $0.message) })
        }
    }

    /// The last commit, and what workers still have to hear.
    mutating func finish() {
        let now = clock()
        nextAttempt = 0
        if state.hasChanges { commit(now) }
        handOut(now)
        if state.hasChanges { commit(now) }
        var attempts = 500
        while outbox.isLate && attempts > 0 {
            usleep(UInt32(BrokerLoop.retryWorkerMS * 1000))
            outbox.retry()
            attempts -= 1
        }
    }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The figures as they were after the last group.
final class BrokerMeters: Sendable {
    private let figures = Mutex(BrokerFigures())
    func set(_ new: BrokerFigures) { figures.withLock { $0 = new } }
    func read() -> BrokerFigures { figures.withLock { $0 } }
}

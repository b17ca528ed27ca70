import EventCore
import Exchanges
import Pipeline
import Policies
import Reactor
import Routes
import Telemetry

/// Things that stay on the side of a flag on which they were begun (SPEC R-5). The log says where that is, and the board
/// of the process remembers what it said; a request waits where neither is known.
extension Worker {
    enum Held {
        case side(Bool)
        case nobody
        case wait
        case refused(Outcome)
    }

    /// Longest id of which something is remembered, in bytes.
    static let longestEntity = 1_024

    /// The side that holds whatever the exchange is about.
    /// - Parameter entity: its id.
    func heldSide(_ exchange: Exchange, _ era: Era, entity: Buffer) -> Held {
        let role = exchange.rule.affinity
        let flag = Int(exchange.rule.flag)
        if exchange.affinity.word == .known { return begin(exchange, role) }
        let nowS = UInt32(truncatingIfNeeded: loop.nowMS / 1000)
        let place = era.flagPlaces[flag]
        let nameLength = era.flagNames[flag].count
        exchange.affinity.key = entity.withReadable {
            Affinity.isPlain($0, flag: nameLength) ? shared.affinities.key(flag: place, entity: $0) : 0
        }
        let age = era.table.flags[flag].affinity
        if exchange.affinity.key != 0, let known = shared.affinities.find(exchange.affinity.key, nowS: nowS),
            UInt64(nowS &- known.saidS) * 1000 * UInt64(Affinity.renewals) < UInt64(age), known.isOn != nil || role != .start
        {
            exchange.affinity.take(known)
            return begin(exchange, role)
        }
        return ask(exchange, era, entity, age)
    }

    private func begin(_ exchange: Exchange, _ role: AffinityRole) -> Held {
        if role == .start, exchange.affinity.key != 0 { shared.affinities.noteStart(exchange.affinity.key) }
        switch exchange.affinity.side {
        case .none: return .nobody
        case .control: return .side(false)
        case .candidate: return .side(true)
        }
    }

    private func ask(_ exchange: Exchange, _ era: Era, _ entity: Buffer, _ age: UInt32) -> Held {
        let flag = Int(exchange.rule.flag)
        guard let id = Affinity.id(flag: era.table.flags[flag].name, entity: entity.copyReadable()) else { return .nobody }
        let work: Submission.Work =
            exchange.rule.affinity == .start
            ? .stateAfter(.affinity(id, .take(isOn: isOnByWeight(exchange, era), age: Int64(age) * 1000)))
            : .state(AggregateName(kind: .affinity, id: id))
        exchange.affinity.word = .asked
        let submission = Submission(ticket: exchange.ticket, work: work, metadata: exchange.metadata)
        guard shared.core.submit(submission) else {
            return .refused(known(Outcome(.upstreamUnavailable, "too many commands wait to be written", retryAfterMS: 1000), exchange, era))
        }
        return .wait
    }

    /// As the callers of its method know it.
    private func known(_ outcome: Outcome, _ exchange: Exchange, _ era: Era) -> Outcome {
        facade(of: exchange)?.known(outcome) ?? outcome
    }

    /// The log has answered an exchange that its stage `steer` had asked for.
    /// - Returns: false = it had not.
    func deliver(affinity outcome: Reply.Outcome, _ exchange: Exchange) -> Bool {
        guard exchange.affinity.word == .asked else { return false }
        switch outcome {
        case .state(.affinity(let affinity)):
            let era = era(of: exchange)
            let nowS = UInt32(truncatingIfNeeded: loop.nowMS / 1000)
            let age = Int64(era.table.flags[Int(exchange.rule.flag)].affinity) * 1000
            let isOn = affinity.isOn(at: .now(), age: age)
            exchange.affinity.word = .known
            exchange.affinity.side = Arm(isOn)
            exchange.affinity.version = UInt32(truncatingIfNeeded: affinity.version)
            if exchange.affinity.key != 0 {
                shared.affinities.put(exchange.affinity.key, isOn: isOn, version: affinity.version, nowS: nowS)
                exchange.affinity.starts = shared.affinities.find(exchange.affinity.key, nowS: nowS)?.starts ?? 0
            }
            wake(exchange.ticket)
        // Where it was begun is not known, and to guess would be to break a promise.
        case .refused(let refusal):
            exchange.isParked = false
            refuse(exchange, refusal)
            exchange.wire?.flush()
        default: return false
        }
        return true
    }

    /// The exchange is over: what it has finished is released.
    func settleAffinity(_ exchange: Exchange) {
        let mark = exchange.affinity
        guard mark.word == .known, exchange.arm != .none,
            FlagEnding(status: exchange.status, grpcStatus: exchange.grpcStatus) == .ok
        else { return }
        let nowS = UInt32(truncatingIfNeeded: loop.nowMS / 1000)
        let isOn = exchange.arm == .candidate
        let now = mark.key == 0 ? nil : shared.affinities.find(mark.key, nowS: nowS)
        switch exchange.rule.affinity {
        case .finish where mark.side != .none:
            // What has been begun meanwhile may be there still.
            if let now, now.starts != mark.starts || now.version != mark.version { return }
            submit(.release, exchange)
            if mark.key != 0 { shared.affinities.doubt(mark.key) }
        // It may have been released while this was added: that holds it again.
        case .start where mark.key != 0:
            if let now, now.version == mark.version || now.isOn == isOn { return }
            let age = era(of: exchange).table.flags[Int(exchange.rule.flag)].affinity
            submit(.take(isOn: isOn, age: Int64(age) * 1000), exchange)
        case .none, .start, .follow, .finish: break
        }
    }

    /// Nobody waits for the answer.
    private func submit(_ action: AffinityAction, _ exchange: Exchange) {
        let flag = era(of: exchange).table.flags[Int(exchange.rule.flag)].name
        guard let entity = exchange.entity, let id = Affinity.id(flag: flag, entity: entity.copyReadable()) else { return }
        let work = Submission.Work.stateAfter(.affinity(id, action))
        _ = shared.core.submit(Submission(ticket: exchange.ticket, work: work, metadata: exchange.metadata))
    }
}

extension AffinityMark {
    fileprivate mutating func take(_ known: AffinityBoard.Known) {
        word = .known
        side = Arm(known.isOn)
        version = known.version
        starts = known.starts
    }
}

extension Arm {
    /// `none` where nobody holds it.
    fileprivate init(_ isOn: Bool?) {
        self =
            switch isOn {
            case nil: .none
            case false?: .control
            case true?: .candidate
            }
    }
}

extension AffinityBoard {
    /// Hears of what the log has committed, whoever asked for it.
    func follow(_ committed: Committed, _ flags: FlagBoard, nowS: UInt32) {
        for batch in committed.batches where batch.aggregate.type == Affinity.type {
            guard let last = batch.events.last, let event = AffinityEvent(last), case .exact(let before) = batch.expected,
                let (flag, entity) = Affinity.parts(of: batch.aggregate.id)
            else { continue }
            let place = flags.place(of: flag)
            guard place < FlagBoard.most else { continue }
            let bytes = Array(entity)
            let isOn: Bool? = if case .taken(let isOn) = event { isOn } else { nil }
            put(key(flag: place, entity: bytes.span), isOn: isOn, version: before + UInt64(batch.events.count), nowS: nowS)
        }
    }
}

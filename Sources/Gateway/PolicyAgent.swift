import CShim
import Exchanges
import Policies
import Reactor
import Settings
import Synchronization
import Telemetry

/// Asks an Open Policy Agent what the gateway's own policies do not know. Answers are remembered for a while, equal
/// questions are asked once, and whatever goes wrong is no answer.
///
/// One for the process: safe from any thread. Workers wait for it parked.
final class PolicyAgent: Sendable {
    /// Which question, among all that were ever asked: 128 bits that nobody outside can aim at.
    struct Key: Hashable, Sendable {
        var high: UInt64
        var low: UInt64
    }

    fileprivate struct Answer {
        var isAllowed: Bool
        var untilMS: UInt64
    }

    fileprivate struct State {
        var answers: [Key: Answer] = [:]
        /// Keys of `answers`, in a ring: the oldest leaves for a new one.
        var order: [Key] = []
        var next = 0
        /// Whoever waits for a question under way.
        var asking: [Key: [Ticket]] = [:]
        var waiting = 0
        var figures = Figures()
    }

    struct Figures {
        var allowed: UInt64 = 0
        var denied: UInt64 = 0
        var unavailable: UInt64 = 0
        var cached: UInt64 = 0
        var refused: UInt64 = 0
    }

    private let state = Mutex(State())
    private let calls: any CallOut
    private let hashes = (KeyedHash(), KeyedHash())
    private let deliver: @Sendable (Ticket, AccessMark.Opinion) -> Void

    /// - Parameter deliver: takes what came of a question, for each that waits; it must not block.
    init(_ calls: any CallOut, deliver: @escaping @Sendable (Ticket, AccessMark.Opinion) -> Void) {
        self.calls = calls
        self.deliver = deliver
    }

    /// - Returns: what is known already; `.none` = the ticket's exchange will hear of it.
    func ask(_ question: PolicyQuestion, _ settings: AccessSettings.OPA, for ticket: Ticket, nowMS: UInt64) -> AccessMark.Opinion {
        let key = key(of: question.body, settings)
        let (known, isFirst) = state.withLock { state -> (AccessMark.Opinion, Bool) in
            if let answer = state.answers[key], answer.untilMS > nowMS {
                state.figures.cached += 1
                return (answer.isAllowed ? .allowed : .denied, false)
            }
            guard state.waiting < settings.pending else {
                state.figures.refused += 1
                return (.unavailable, false)
            }
            state.waiting += 1
            let isFirst = state.asking[key] == nil
            state.asking[key, default: []].append(ticket)
            return (.none, isFirst)
        }
        guard isFirst else { return known }
        Task.detached { [self] in
            var call = OutboundCall(
                cluster: settings.cluster, form: .http(verb: "POST", path: settings.path, contentType: "application/json"),
                body: question.body, timeoutMS: settings.timeout)
            call.correlationId = question.correlationId
            call.traceparent = question.traceparent
            answered(key, PolicyAnswer.read(await calls.call(call)), settings)
        }
        return .none
    }

    private func answered(_ key: Key, _ opinion: AccessMark.Opinion, _ settings: AccessSettings.OPA) {
        let nowMS = nx_monotonic_ns() / 1_000_000
        let tickets = state.withLock { state -> [Ticket] in
            switch opinion {
            case .allowed: state.figures.allowed += 1
            case .denied: state.figures.denied += 1
            case .none, .unavailable: state.figures.unavailable += 1
            }
            if settings.cache > 0, opinion == .allowed || opinion == .denied {
                state.remember(key, opinion == .allowed, untilMS: nowMS + UInt64(settings.cache), most: settings.cacheEntries)
            }
            let tickets = state.asking.removeValue(forKey: key) ?? []
            state.waiting -= tickets.count
            return tickets
        }
        for ticket in tickets { deliver(ticket, opinion) }
    }

    /// Another agent's answers are others.
    private func key(of body: [UInt8], _ settings: AccessSettings.OPA) -> Key {
        let text = Array("\(settings.cluster) \(settings.path)\n".utf8) + body
        return Key(high: hashes.0(text.span), low: hashes.1(text.span))
    }

    func families() -> [Family] {
        let (figures, known, waiting) = state.withLock { ($0.figures, $0.answers.count, $0.waiting) }
        let results: [(String, UInt64)] = [
            ("allowed", figures.allowed), ("denied", figures.denied), ("unavailable", figures.unavailable),
            ("cached", figures.cached), ("overflow", figures.refused),
        ]
        return [
            Family(
                "nexus_opa_answers", .counter, "What came of questions to OPA; cached and overflow were not asked.",
                samples: results.map { Sample(.integer($0.1), labels: [("result", $0.0)]) }),
            Family("nexus_opa_cached", .gauge, "Answers of OPA that are remembered.", .integer(UInt64(known))),
            Family("nexus_opa_waiting", .gauge, "Requests that wait for OPA.", .integer(UInt64(waiting))),
        ]
    }
}

extension PolicyAgent.State {
    /// In place of the oldest, where there is no more room.
    fileprivate mutating func remember(_ key: PolicyAgent.Key, _ isAllowed: Bool, untilMS: UInt64, most: Int) {
        if answers[key] != nil {
            answers[key] = .init(isAllowed: isAllowed, untilMS: untilMS)
            return
        }
        // A reload may have lowered the bound.
        if order.count > most {
            answers.removeAll()
            order.removeAll()
            next = 0
        }
        if order.count < most {
            answers[key] = .init(isAllowed: isAllowed, untilMS: untilMS)
            order.append(key)
            return
        }
        next = next % order.count
        answers[order[next]] = nil
        order[next] = key
        answers[key] = .init(isAllowed: isAllowed, untilMS: untilMS)
        next += 1
    }
}

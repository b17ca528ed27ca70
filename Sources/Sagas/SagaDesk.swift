import Contracts
public import EventCore
import Exchanges
import Synchronization

/// What operators ask about sagas.
public enum SagaRequest: Sendable, Equatable {
    /// `status`, `limit`, `nextToken` as they come: nil when they do not.
    case list(status: String?, limit: String?, nextToken: String?)
    case show(Identifier)
    /// `body`: nothing, or `{"step"?,"note"?}`.
    case decide(Identifier, SagaDecision, body: [UInt8])
}

/// Answers operators.
public protocol SagaAnswers: Sendable {
    /// - Returns: an HTTP status, and a JSON object; of a problem `{"message"}`.
    func answer(_ request: SagaRequest) async -> (status: UInt16, body: [UInt8])
}

extension Orchestrator: SagaAnswers {
    private static let page = 100
    private static let mostPage = 1000
    /// How far back a list of sagas that are over looks, in microseconds.
    private static let over: Int64 = 24 * 3_600_000_000

    public func answer(_ request: SagaRequest) async -> (status: UInt16, body: [UInt8]) {
        switch request {
        case .list(let status, let limit, let token): return list(status, limit, token)
        case .show(let id): return await show(id)
        case .decide(let id, let decision, let body): return await decide(id, decision, body)
        }
    }

    // MARK: - List

    /// `{"sagas":[{"sagaId","status","definition","orderId",…}],"nextToken"?}`: without a status those that are not
    /// over, by id; of those that are over, the last of the last 24 hours, the oldest first.
    private func list(_ status: String?, _ limit: String?, _ token: String?) -> (UInt16, [UInt8]) {
        let limit = limit.map { Int($0) ?? 0 } ?? Self.page
        guard (1...Self.mostPage).contains(limit) else { return Self.no(400, "limit must be from 1 to \(Self.mostPage)") }
        var wanted: SagaStatus?
        if let status {
            guard let known = SagaStatus(rawValue: status) else {
                return Self.no(400, "status must be one of \(SagaStatus.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            wanted = known
        }
        if wanted == .completed || wanted == .compensated {
            return over(wanted == .completed ? "SagaCompleted" : "SagaCompensated", limit, wanted?.rawValue ?? "")
        }
        let after = Array((token ?? "").utf8)
        let open = state.withLock { $0.open }
            .filter { (wanted == nil || $0.value.status == wanted) && after.lexicographicallyPrecedes($0.key.bytes) }
            .sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }
        let page = open.prefix(limit)
        return Self.answer(200) { json in
            json.name("sagas")
            json.beginArray()
            for (id, saga) in page {
                json.beginObject()
                json.name("sagaId")
                json.string(utf8: id.bytes)
                json.name("status")
                json.string(saga.status.rawValue)
                saga.members(to: &json)
                json.endObject()
            }
            json.endArray()
            if open.count > limit, let last = page.last {
                json.name("nextToken")
                json.string(utf8: last.key.bytes)
            }
        }
    }

    private func over(_ type: String, _ limit: Int, _ status: String) -> (UInt16, [UInt8]) {
        let now = clock.now
        var last: [StoredEvent] = []
        var from = Timestamp(microseconds: now.microseconds - Self.over)
        let until = Timestamp(microseconds: max(now.microseconds, Timestamp.now().microseconds) + 1)
        do throws(StoreError) {
            // Only forwards can be read; so many ends in a day fill a few pages.
            while true {
                let page = try index.events(type, from: from, until: until, limit: Self.mostPage)
                last = (last + page).suffix(limit)
                guard page.count == Self.mostPage, let newest = page.last else { break }
                from = Timestamp(microseconds: newest.event.timestamp.microseconds + 1)
            }
        } catch {
            return Self.no(503, "the event store cannot be read")
        }
        return Self.answer(200) { json in
            json.name("sagas")
            json.beginArray()
            for stored in last {
                json.beginObject()
                for (name, text) in [
                    ("sagaId", stored.aggregate.id.description), ("status", status),
                    ("endedAt", stored.event.timestamp.description),
                ] {
                    json.name(name)
                    json.string(text)
                }
                json.endObject()
            }
            json.endArray()
        }
    }

    // MARK: - Show

    private func show(_ id: Identifier) async -> (UInt16, [UInt8]) {
        do throws(Refusal) {
            guard case .found(let body, _) = try await log.ask(.query(.saga(id))) else { return Self.no(500, "no answer") }
            return (200, body)
        } catch {
            return Self.no(error.outcome.httpStatus, error.words)
        }
    }

    // MARK: - Decide

    /// The answer is the saga as it is after the decision, before anything comes of it.
    private func decide(_ id: Identifier, _ decision: SagaDecision, _ body: [UInt8]) async -> (UInt16, [UInt8]) {
        guard let (step, note) = Self.members(of: body) else {
            return Self.no(400, "the body must be a JSON object with the members 'step' and 'note', both texts, both optional")
        }
        if let note, CardNumber.isIn(note) {
            return Self.no(400, "the note seems to hold a card's number, which is never kept")
        }
        do throws(Refusal) {
            guard case .saga(let saga) = try await log.state(of: AggregateName(kind: .saga, id: id)) else {
                return Self.no(500, "no answer")
            }
            let settled = decision == .skip ? try await settled(saga, id, step, note) : []
            let metadata = Metadata(
                correlationId: state.withLock { $0.open[id]?.correlationId }, source: "operator",
                traceparent: state.withLock { $0.open[id]?.traceparent })
            try await log.execute(settled + [.saga(id, .resolve(step, decision, note: note))], metadata)
        } catch {
            return Self.no(error.outcome.httpStatus, error.words)
        }
        poke(id, decision == .retry ? .woken : [])
        return await show(id)
    }

    /// What the operation has to say to the core when a person says that it has happened.
    private func settled(_ saga: Saga, _ id: Identifier, _ step: String?, _ note: String?) async throws(Refusal) -> [Command] {
        let task = saga.openTasks.first { step == nil || $0.step == step }
        guard let name = task?.step ?? saga.parkedSteps.first(where: { step == nil || $0.name == step })?.name,
            let order = saga.order, let definition = saga.step(name)?.definition
        else { return [] }
        let part = task?.part ?? .action
        guard let operation = (part == .action ? definition.operation : definition.compensation).flatMap({ operation($0) }),
            case .order(let found) = try await log.state(of: AggregateName(kind: .order, id: order))
        else { return [] }
        let context = context(
            id, name, part, attempt: saga.step(name)?.attempts ?? 0, order: order, state: found, timeoutMS: 0)
        return operation.settled(context, note: note)
    }

    /// Nil when it is not what it must be.
    private static func members(of body: [UInt8]) -> (step: String?, note: String?)? {
        if body.isEmpty { return (nil, nil) }
        guard body.count <= 4096, case .object(let members)? = try? JSONValue(body.span) else { return nil }
        var found: [String: String] = [:]
        for member in members {
            guard ["step", "note"].contains(member.name) else { return nil }
            switch member.value {
            case .string(let text): found[member.name] = text
            case .null: break
            default: return nil
            }
        }
        return (found["step"], found["note"])
    }

    // MARK: - JSON

    private static func answer(_ status: UInt16, _ write: (inout JSONWriter<[UInt8]>) -> Void) -> (UInt16, [UInt8]) {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        write(&json)
        json.endObject()
        return (status, json.sink)
    }

    private static func no(_ status: UInt16, _ message: String) -> (UInt16, [UInt8]) {
        answer(status) { json in
            json.name("message")
            json.string(message)
        }
    }
}

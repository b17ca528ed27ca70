import Contracts
import EventCore

/// What is kept in memory of a saga that is not over, and in the index: enough to list it and to go on with it
/// without reading the log.
struct OpenSaga: Sendable, Equatable {
    var definition: String
    var order: Identifier
    var startedAt: Timestamp
    var updatedAt: Timestamp
    /// Of the last event that is counted in.
    var version: UInt64
    /// Names of parked steps.
    var parked: [String] = []
    var nextTryAt: Timestamp?
    /// `step/part` of open tasks.
    var tasks: [String] = []
    // Of the event that started it, for all that it causes.
    var correlationId: String?
    var userId: String?
    var traceparent: String?
    /// Its last event's id.
    var cause: String?

    var status: SagaStatus { parked.isEmpty && tasks.isEmpty ? .inProgress : .parked }

    var metadata: Metadata {
        Metadata(correlationId: correlationId, causationId: cause, userId: userId, source: "saga", traceparent: traceparent)
    }

    /// Nil when the event does not start one.
    init?(_ stored: StoredEvent, _ event: SagaEvent) {
        guard case .started(let definition, let order, _) = event else { return nil }
        self.definition = definition.name
        self.order = order
        startedAt = stored.event.timestamp
        updatedAt = startedAt
        version = stored.version
        correlationId = stored.event.metadata.correlationId
        userId = stored.event.metadata.userId
        traceparent = stored.event.metadata.traceparent
        cause = stored.event.id.description
    }

    /// Of a saga of which only its state is known.
    init?(_ saga: Saga) {
        guard let order = saga.order else { return nil }
        definition = saga.definition.name
        self.order = order
        startedAt = saga.startedAt
        updatedAt = saga.updatedAt
        version = saga.version
        parked = saga.parkedSteps.map(\.name)
        nextTryAt = saga.parkedSteps.compactMap { $0.park?.nextTryAt }.min()
        tasks = saga.openTasks.map { "\($0.step)/\($0.part.rawValue)" }
    }

    mutating func apply(_ stored: StoredEvent, _ event: SagaEvent) {
        version = stored.version
        updatedAt = stored.event.timestamp
        cause = stored.event.id.description
        switch event {
        case .parked(let step?, _, let nextTryAt, _):
            if !parked.contains(step) { parked.append(step) }
            self.nextTryAt = nextTryAt
        case .taskRaised(let step, let part, _):
            parked.removeAll { $0 == step }
            tasks.append("\(step)/\(part.rawValue)")
        case .taskResolved(let step, let part, _, _): tasks.removeAll { $0 == "\(step)/\(part.rawValue)" }
        case .resumed(let step), .stepCompleted(let step, _, _, _), .stepDeferred(let step, _, _, _, _):
            parked.removeAll { $0 == step }
        // On the way back nothing waits for a service.
        case .stopped, .stepFailed: parked = []
        default: break
        }
        if parked.isEmpty { nextTryAt = nil }
    }

    // MARK: - In the index

    var row: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        members(to: &json)
        json.name("version")
        json.integer(version)
        for (name, value) in [
            ("correlationId", correlationId), ("userId", userId), ("traceparent", traceparent), ("cause", cause),
        ] {
            guard let value else { continue }
            json.name(name)
            json.string(value)
        }
        json.endObject()
        return json.sink
    }

    /// What is listed of it.
    func members(to json: inout JSONWriter<[UInt8]>) {
        for (name, value) in [("definition", definition), ("orderId", order.description)] {
            json.name(name)
            json.string(value)
        }
        for (name, value) in [("startedAt", startedAt), ("updatedAt", updatedAt)] {
            json.name(name)
            json.string(value.description)
        }
        for (name, values) in [("parked", parked), ("tasks", tasks)] {
            json.name(name)
            json.beginArray()
            for value in values { json.string(value) }
            json.endArray()
        }
        if let nextTryAt {
            json.name("nextTryAt")
            json.string(nextTryAt.description)
        }
    }

    /// Nil when it cannot be read.
    init?(row: [UInt8]) {
        guard let json = try? JSONValue(row.span) else { return nil }
        func text(_ name: String) -> String? {
            if case .string(let text) = json[name] { text } else { nil }
        }
        func time(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp($0.utf8Span.span) } }
        func texts(_ name: String) -> [String] {
            guard case .array(let items) = json[name] else { return [] }
            return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
        }
        guard let definition = text("definition"), let order = text("orderId").flatMap({ Identifier($0) }),
            let startedAt = time("startedAt"), let updatedAt = time("updatedAt"),
            case .number(let digits) = json["version"], let version = UInt64(digits)
        else { return nil }
        self.definition = definition
        self.order = order
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.version = version
        parked = texts("parked")
        nextTryAt = time("nextTryAt")
        tasks = texts("tasks")
        correlationId = text("correlationId")
        userId = text("userId")
        traceparent = text("traceparent")
        cause = text("cause")
    }
}

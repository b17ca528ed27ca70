import Contracts

/// What can have happened to a saga (SPEC T-4). Version 1 of the payloads. Steps go by their names.
public enum SagaEvent: AggregateEvent, Equatable {
    /// With all of its definition, so that a changed file does not change a running saga. `after`: the saga that
    /// has to be over first.
    case started(SagaDefinition, order: Identifier, after: Identifier?)
    /// A call is about to be made that must not be made twice, or that was announced.
    case stepStarted(String, SagaPart, attempt: Int)
    /// The call came to nothing: nothing has happened there.
    case stepUnavailable(String, attempt: Int, Failure)
    /// `late`: after the step had been given up. `note`: a person's.
    case stepCompleted(String, attempt: Int, late: Bool, note: String?)
    /// `mayHaveRun`: nobody knows, so it is undone like what was done.
    case stepFailed(String, attempt: Int, Failure, mayHaveRun: Bool)
    /// Handed to the bus, with all that it needs to do it.
    case stepDeferred(String, operation: String, order: Identifier, attempt: Int, Failure)
    case stepCompensated(String, attempt: Int, note: String?)
    case compensationFailed(String, attempt: Int, Failure)
    case taskRaised(String, SagaPart, text: String)
    case taskResolved(String, SagaPart, SagaDecision, note: String?)
    /// The saga waits: for a service that is away (`nextTryAt`, at the earliest), or for something from outside (no
    /// `nextTryAt`), but only `until` then. Without a step: nothing is left to do but people's tasks.
    case parked(step: String?, reason: String, nextTryAt: Timestamp?, until: Timestamp?)
    case resumed(step: String)
    /// It goes back from where it is; `by` the saga that sees to the order then, or a person.
    case stopped(by: Identifier?, reason: String)
    case completed
    case compensated(Failure?)

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .started: "SagaStarted"
        case .stepStarted: "SagaStepStarted"
        case .stepUnavailable: "SagaStepUnavailable"
        case .stepCompleted: "SagaStepCompleted"
        case .stepFailed: "SagaStepFailed"
        case .stepDeferred: "SagaStepDeferred"
        case .stepCompensated: "SagaStepCompensated"
        case .compensationFailed: "SagaCompensationFailed"
        case .taskRaised: "SagaTaskRaised"
        case .taskResolved: "SagaTaskResolved"
        case .parked: "SagaParked"
        case .resumed: "SagaResumed"
        case .stopped: "SagaStopped"
        case .completed: "SagaCompleted"
        case .compensated: "SagaCompensated"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        switch self {
        case .started(let definition, let order, let after):
            json.member("orderId", order)
            json.member("after", after)
            definition.write(to: &json)
        case .stepStarted(let step, let part, let attempt):
            json.step(step, part, attempt)
        case .stepUnavailable(let step, let attempt, let failure):
            json.step(step, nil, attempt)
            json.members(failure)
        case .stepCompleted(let step, let attempt, let late, let note):
            json.step(step, nil, attempt)
            json.flag("late", late)
            json.member("note", note)
        case .stepFailed(let step, let attempt, let failure, let mayHaveRun):
            json.step(step, nil, attempt)
            json.members(failure)
            json.flag("mayHaveRun", mayHaveRun)
        case .stepDeferred(let step, let operation, let order, let attempt, let failure):
            json.step(step, nil, attempt)
            json.member("operation", operation)
            json.member("orderId", order)
            json.members(failure)
        case .stepCompensated(let step, let attempt, let note):
            json.step(step, nil, attempt)
            json.member("note", note)
        case .compensationFailed(let step, let attempt, let failure):
            json.step(step, nil, attempt)
            json.members(failure)
        case .taskRaised(let step, let part, let text):
            json.step(step, part, nil)
            json.member("text", text)
        case .taskResolved(let step, let part, let decision, let note):
            json.step(step, part, nil)
            json.member("decision", decision.rawValue)
            json.member("note", note)
        case .parked(let step, let reason, let nextTryAt, let until):
            json.member("step", step)
            json.member("reason", reason)
            json.member("nextTryAt", nextTryAt)
            json.member("until", until)
        case .resumed(let step):
            json.member("step", step)
        case .stopped(let by, let reason):
            json.member("by", by)
            json.member("reason", reason)
        case .completed: break
        case .compensated(let failure):
            json.members(failure)
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == SagaEvent.schemaVersion, let json = try? JSONValue(event.payload.span) else { return nil }
        switch event.type {
        case "SagaStarted":
            guard let definition = SagaDefinition(json), let order = json.identifier("orderId") else { return nil }
            self = .started(definition, order: order, after: json.identifier("after"))
            return
        case "SagaParked":
            guard let reason = json.text("reason") else { return nil }
            self = .parked(
                step: json.text("step"), reason: reason, nextTryAt: json.timestamp("nextTryAt"), until: json.timestamp("until"))
            return
        case "SagaStopped":
            guard let reason = json.text("reason") else { return nil }
            self = .stopped(by: json.identifier("by"), reason: reason)
            return
        case "SagaCompleted":
            self = .completed
            return
        case "SagaCompensated":
            self = .compensated(json.failure)
            return
        default: break
        }
        guard let step = json.text("step"), let read = SagaEvent(event.type, step, json) else { return nil }
        self = read
    }

    /// Those that are about one step.
    private init?(_ type: String, _ step: String, _ json: JSONValue) {
        let part = json.text("part").flatMap { SagaPart(rawValue: $0) }
        switch (type, json.number("attempt").flatMap { Int(exactly: $0) }, json.failure) {
        case ("SagaStepStarted", let attempt?, _):
            guard let part else { return nil }
            self = .stepStarted(step, part, attempt: attempt)
        case ("SagaStepUnavailable", let attempt?, let failure?):
            self = .stepUnavailable(step, attempt: attempt, failure)
        case ("SagaStepCompleted", let attempt?, _):
            self = .stepCompleted(step, attempt: attempt, late: json.flag("late"), note: json.text("note"))
        case ("SagaStepFailed", let attempt?, let failure?):
            self = .stepFailed(step, attempt: attempt, failure, mayHaveRun: json.flag("mayHaveRun"))
        case ("SagaStepDeferred", let attempt?, let failure?):
            guard let operation = json.text("operation"), let order = json.identifier("orderId") else { return nil }
            self = .stepDeferred(step, operation: operation, order: order, attempt: attempt, failure)
        case ("SagaStepCompensated", let attempt?, _):
            self = .stepCompensated(step, attempt: attempt, note: json.text("note"))
        case ("SagaCompensationFailed", let attempt?, let failure?):
            self = .compensationFailed(step, attempt: attempt, failure)
        case ("SagaTaskRaised", _, _):
            guard let part, let text = json.text("text") else { return nil }
            self = .taskRaised(step, part, text: text)
        case ("SagaTaskResolved", _, _):
            guard let part, let decision = json.text("decision").flatMap({ SagaDecision(rawValue: $0) }) else { return nil }
            self = .taskResolved(step, part, decision, note: json.text("note"))
        case ("SagaResumed", _, _):
            self = .resumed(step: step)
        default: return nil
        }
    }
}

extension JSONWriter where Sink == [UInt8] {
    fileprivate mutating func step(_ name: String, _ part: SagaPart?, _ attempt: Int?) {
        member("step", name)
        member("part", part?.rawValue)
        if let attempt {
            self.name("attempt")
            integer(attempt)
        }
    }

    /// Only what is so is written.
    fileprivate mutating func flag(_ name: StaticString, _ value: Bool) {
        guard value else { return }
        self.name(name)
        bool(true)
    }
}

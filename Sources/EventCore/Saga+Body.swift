import Contracts
import Exchanges

extension Saga {
    /// `{"sagaId","definition","orderId","status","currentStep","completedSteps":[…],"steps":[{"name","status",
    /// "attempts",…}],"tasks":[{"step","part","text","raisedAt",…}],"reason","nextTryAt","startedAt","updatedAt",
    /// "version"}`; what is not so is left out.
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        guard version > 0 else { throw Refusal(.notFound, "there is no such saga", field: "/sagaId") }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.member("sagaId", id)
        json.member("definition", definition.name)
        json.member("orderId", order)
        json.member("status", status.rawValue)
        json.member("currentStep", isOver ? nil : (isGoingBack ? nextToUndo?.name : due.first?.name) ?? openTasks.first?.step)
        json.name("completedSteps")
        json.beginArray()
        for step in steps where step.progress == .done { json.string(step.name) }
        json.endArray()
        json.name("steps")
        json.beginArray()
        for step in steps { write(step, to: &json) }
        json.endArray()
        json.name("tasks")
        json.beginArray()
        for task in tasks { task.write(to: &json) }
        json.endArray()
        json.members(reason)
        json.member("nextTryAt", parkedSteps.compactMap { $0.park?.nextTryAt }.min())
        json.member("startedAt", startedAt)
        json.member("updatedAt", updatedAt)
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    /// Why it is not simply getting on.
    private var reason: Failure? {
        cause ?? openTasks.first.map { Failure(reason: $0.text) } ?? parkedSteps.first?.park.map { Failure(reason: $0.reason) }
    }

    private func write(_ step: Step, to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.member("name", step.name)
        let undone = step.undoing == .done
        json.member("status", undone ? "COMPENSATED" : step.park != nil ? "PARKED" : step.progress.rawValue)
        json.name("attempts")
        json.integer(step.attempts)
        if step.undoAttempts > 0 {
            json.name("compensationAttempts")
            json.integer(step.undoAttempts)
        }
        json.members(step.failure ?? step.park.map { Failure(reason: $0.reason) })
        json.member("note", step.note)
        json.member("nextTryAt", step.park?.nextTryAt)
        json.member("parkedUntil", step.park?.until)
        json.endObject()
    }
}

extension Saga.Task {
    func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.member("step", step)
        json.member("part", part.rawValue)
        json.member("text", text)
        json.member("raisedAt", raisedAt)
        json.member("resolvedAt", resolvedAt)
        json.member("decision", decision?.rawValue)
        json.member("note", note)
        json.endObject()
    }

    init?(_ json: JSONValue) {
        guard let step = json.text("step"), let part = json.text("part").flatMap({ SagaPart(rawValue: $0) }),
            let text = json.text("text"), let raisedAt = json.timestamp("raisedAt")
        else { return nil }
        self.init(step: step, part: part, text: text, raisedAt: raisedAt)
        resolvedAt = json.timestamp("resolvedAt")
        decision = json.text("decision").flatMap { SagaDecision(rawValue: $0) }
        note = json.text("note")
    }
}

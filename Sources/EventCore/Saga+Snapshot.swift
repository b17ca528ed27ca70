import Contracts

extension Saga {
    static var snapshotVersion: UInt32 { 1 }

    func snapshot() -> [UInt8]? {
        guard let order else { return nil }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.member("orderId", order)
        json.member("after", after)
        definition.write(to: &json)
        json.name("steps")
        json.beginArray()
        for step in steps { step.write(to: &json) }
        json.endArray()
        json.name("tasks")
        json.beginArray()
        for task in tasks { task.write(to: &json) }
        json.endArray()
        json.name("goingBack")
        json.bool(isGoingBack)
        json.member("stoppedBy", stoppedBy)
        json.members(cause)
        json.name("handedOver")
        json.bool(isHandedOver)
        json.member("ending", ending?.rawValue)
        json.name("undoOrder")
        json.beginArray()
        for i in undoOrder { json.integer(i) }
        json.endArray()
        json.member("startedAt", startedAt)
        json.member("updatedAt", updatedAt)
        json.endObject()
        return json.sink
    }

    init?(snapshot: Span<UInt8>, version: UInt64) {
        guard let json = try? JSONValue(snapshot), let definition = SagaDefinition(json),
            let order = json.identifier("orderId"), case .array(let steps) = json["steps"],
            case .array(let tasks) = json["tasks"], case .array(let undoOrder) = json["undoOrder"],
            let startedAt = json.timestamp("startedAt"), let updatedAt = json.timestamp("updatedAt")
        else { return nil }
        self.init()
        apply(.started(definition, order: order, after: json.identifier("after")), at: startedAt)
        guard steps.count == self.steps.count else { return nil }
        for (i, step) in steps.enumerated() where !self.steps[i].read(step) { return nil }
        self.tasks = tasks.compactMap { Task($0) }
        self.undoOrder = undoOrder.compactMap { index in
            guard case .number(let text) = index, let i = Int(text), self.steps.indices.contains(i) else { return nil }
            return i
        }
        guard self.tasks.count == tasks.count, self.undoOrder.count == undoOrder.count else { return nil }
        isGoingBack = json.flag("goingBack")
        stoppedBy = json.identifier("stoppedBy")
        cause = json.failure
        isHandedOver = json.flag("handedOver")
        ending = json.text("ending").flatMap { SagaStatus(rawValue: $0) }
        self.updatedAt = updatedAt
        self.version = version
    }
}

extension Saga.Step {
    /// What the definition does not say.
    fileprivate func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.member("progress", progress.rawValue)
        json.name("attempts")
        json.integer(attempts)
        json.member("undoing", undoing.rawValue)
        json.name("undoAttempts")
        json.integer(undoAttempts)
        json.members(failure)
        json.member("note", note)
        if let park {
            json.member("parkedFor", park.reason)
            json.member("nextTryAt", park.nextTryAt)
            json.member("until", park.until)
        }
        json.member("parkDeadline", parkDeadline)
        json.endObject()
    }

    fileprivate mutating func read(_ json: JSONValue) -> Bool {
        guard let progress = json.text("progress").flatMap({ Saga.Progress(rawValue: $0) }),
            let undoing = json.text("undoing").flatMap({ Saga.Undoing(rawValue: $0) }),
            let attempts = json.number("attempts").flatMap({ Int(exactly: $0) }),
            let undoAttempts = json.number("undoAttempts").flatMap({ Int(exactly: $0) })
        else { return false }
        self.progress = progress
        self.undoing = undoing
        self.attempts = attempts
        self.undoAttempts = undoAttempts
        failure = json.failure
        note = json.text("note")
        park = json.text("parkedFor").map {
            Saga.Park(reason: $0, nextTryAt: json.timestamp("nextTryAt"), until: json.timestamp("until"))
        }
        parkDeadline = json.timestamp("parkDeadline")
        return true
    }
}

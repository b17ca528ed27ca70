import Contracts

// A saga's parts as JSON, in events and snapshots alike.

extension SagaDefinition {
    func write(to json: inout JSONWriter<[UInt8]>) {
        json.member("definition", name)
        json.member("prefix", prefix)
        json.name("groups")
        json.beginArray()
        for group in groups {
            json.beginArray()
            for step in group { step.write(to: &json) }
            json.endArray()
        }
        json.endArray()
        json.member("completed", completed)
        json.member("compensated", compensated)
        json.member("stops", stops)
    }

    init?(_ json: JSONValue) {
        guard let name = json.text("definition"), let prefix = json.text("prefix"), case .array(let groups) = json["groups"]
        else { return nil }
        var read: [[StepDefinition]] = []
        for group in groups {
            guard case .array(let steps) = group else { return nil }
            let known = steps.compactMap { StepDefinition($0) }
            guard known.count == steps.count else { return nil }
            read.append(known)
        }
        self.init(
            name: name, prefix: prefix, groups: read, completed: json.text("completed"),
            compensated: json.text("compensated"), stops: json.text("stops"))
    }
}

extension StepDefinition {
    func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.member("name", name)
        json.member("operation", operation)
        json.member("compensation", compensation)
        json.name("timeoutMs")
        json.integer(timeoutMS)
        json.member("onFailure", onFailure.rawValue)
        json.name("attempts")
        json.integer(attempts)
        json.name("delayMs")
        json.integer(delayMS)
        json.name("parkMs")
        json.integer(parkMS)
        json.endObject()
    }

    init?(_ json: JSONValue) {
        guard let name = json.text("name"), let operation = json.text("operation"),
            let timeoutMS = json.number("timeoutMs").flatMap({ UInt32(exactly: $0) }),
            let onFailure = json.text("onFailure").flatMap({ OnFailure(rawValue: $0) }),
            let attempts = json.number("attempts").flatMap({ Int(exactly: $0) }),
            let delayMS = json.number("delayMs").flatMap({ UInt32(exactly: $0) }),
            let parkMS = json.number("parkMs").flatMap({ UInt64(exactly: $0) })
        else { return nil }
        self.init(
            name: name, operation: operation, compensation: json.text("compensation"), timeoutMS: timeoutMS,
            onFailure: onFailure, attempts: attempts, delayMS: delayMS, parkMS: parkMS)
    }
}

extension JSONWriter where Sink == [UInt8] {
    /// Nothing when there is no value.
    mutating func member(_ name: StaticString, _ text: String?) {
        guard let text else { return }
        self.name(name)
        string(text)
    }

    mutating func member(_ name: StaticString, _ id: Identifier?) {
        guard let id else { return }
        self.name(name)
        string(id)
    }

    mutating func member(_ name: StaticString, _ instant: Timestamp?) {
        guard let instant else { return }
        self.name(name)
        string(utf8: instant.description.utf8Span.span)
    }

    mutating func members(_ failure: Failure?) {
        guard let failure else { return }
        member("reason", failure.reason)
        if let code = failure.grpcCode {
            name("grpcCode")
            integer(code)
        }
    }
}

extension JSONValue {
    func text(_ name: String) -> String? {
        guard case .string(let text) = self[name] else { return nil }
        return text
    }

    func number(_ name: String) -> Int64? {
        guard case .number(let text) = self[name] else { return nil }
        return Int64(text)
    }

    func identifier(_ name: String) -> Identifier? { text(name).flatMap { Identifier($0) } }
    func timestamp(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp($0.utf8Span.span) } }
    func flag(_ name: String) -> Bool { self[name] == .bool(true) }

    var failure: Failure? {
        text("reason").map { Failure(reason: $0, grpcCode: number("grpcCode").flatMap { UInt32(exactly: $0) }) }
    }
}

import Contracts
import EventCore

/// What the admin listener answers about dead-letter queues: a queue a consumer, an entry an aggregate that is held
/// up. An entry's name is `<queue>.<position of the event>`: when the aggregate has gone on, it is gone.
extension Bus {
    public struct Answer: Sendable, Equatable {
        public var status: UInt16
        /// A JSON object.
        public var body: [UInt8]
    }

    private static let page = 100
    private static let mostPage = 1000
    private static let shownEvents = 20

    /// `GET /dlq?queue=…&state=…&limit=…&nextToken=…`: with a queue its entries, else the queues and their depths.
    /// - Parameters (as they come, percent-decoded):
    ///   - state: `aside` (the default) or `all`, which adds what is being retried.
    ///   - limit: entries a page, 1 to 1000 (100).
    ///   - nextToken: of the page before.
    public func deadLetters(
        queue: String?, state: String? = nil, limit: String? = nil, nextToken: String? = nil
    ) async -> Answer {
        guard let queue else { return queues() }
        guard let follower = followers.first(where: { $0.name == queue }) else { return .no(404, "there is no such queue") }
        let limit = limit.map { Int($0) ?? 0 } ?? Bus.page
        guard (1...Bus.mostPage).contains(limit) else { return .no(400, "limit must be from 1 to 1000") }
        guard let after = UInt64(nextToken ?? "0") else { return .no(400, "nextToken is not one of ours") }
        guard state == nil || state == "aside" || state == "all" else { return .no(400, "state must be aside or all") }
        let held = await follower.heldUp(after: after, limit: limit + 1, retrying: state == "all")
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("queue")
        json.string(queue)
        json.name("entries")
        json.beginArray()
        for entry in held.prefix(limit) {
            json.beginObject()
            entry.write(to: &json, queue: queue)
            json.endObject()
        }
        json.endArray()
        if held.count > limit {
            json.name("nextToken")
            json.string("\(held[limit - 1].position)")
        }
        json.endObject()
        return Answer(status: 200, body: json.sink)
    }

    /// `GET /dlq/{entry}`: the entry with its event and the first of those that wait.
    public func deadLetter(_ entry: String) async -> Answer {
        guard let (follower, position) = find(entry), let held = await follower.heldUp(at: position) else { return .absent }
        let events: [StoredEvent]
        do throws(StoreError) {
            events = try await follower.events(of: held, limit: Bus.shownEvents)
        } catch {
            return .no(503, "the event store cannot be read")
        }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        held.write(to: &json, queue: follower.name)
        json.name("events")
        json.beginArray()
        for event in events { event.write(to: &json) }
        json.endArray()
        json.endObject()
        return Answer(status: 200, body: json.sink)
    }

    /// `POST /dlq/{entry}/retry`: 202, and it is tried at once.
    public func retryDeadLetter(_ entry: String) async -> Answer {
        guard let (follower, position) = find(entry) else { return .absent }
        return answer(await follower.retry(position), entry, "retrying", status: 202)
    }

    /// `POST /dlq/{entry}/skip`: the event counts as dealt with.
    public func skipDeadLetter(_ entry: String) async -> Answer {
        guard let (follower, position) = find(entry) else { return .absent }
        return answer(await follower.skip(position), entry, "skipped", status: 200)
    }

    private func answer(_ operated: Follower.Operated, _ entry: String, _ done: String, status: UInt16) -> Answer {
        switch operated {
        case .absent: return .absent
        case .busy: return .no(409, "the event is being applied at this moment")
        case .failed: return .no(503, "the store cannot be read or written")
        case .done:
            var json = JSONWriter<[UInt8]>([])
            json.beginObject()
            json.name("entry")
            json.string(entry)
            json.name("result")
            json.string(done)
            json.endObject()
            return Answer(status: status, body: json.sink)
        }
    }

    private func find(_ entry: String) -> (Follower, UInt64)? {
        guard let dot = entry.lastIndex(of: "."), let position = UInt64(entry[entry.index(after: dot)...]), position > 0,
            let follower = followers.first(where: { $0.name == entry[..<dot] })
        else { return nil }
        return (follower, position)
    }

    private func queues() -> Answer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("queues")
        json.beginArray()
        for figures in figures {
            json.beginObject()
            json.name("queue")
            json.string(figures.name)
            for (name, value) in [
                ("depth", figures.dlqDepth), ("aggregates", UInt64(figures.aside)), ("retrying", UInt64(figures.retrying)),
                ("oldestSeconds", UInt64(figures.dlqSeconds)), ("lagEvents", figures.lagEvents),
            ] {
                json.name(name)
                json.integer(value)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return Answer(status: 200, body: json.sink)
    }
}

extension Bus.Answer {
    fileprivate static let absent = no(404, "there is no such entry")

    /// `{"detail"}`
    fileprivate static func no(_ status: UInt16, _ detail: String) -> Bus.Answer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("detail")
        json.string(detail)
        json.endObject()
        return Bus.Answer(status: status, body: json.sink)
    }
}

extension HeldLane {
    /// The members of an entry, without the braces.
    fileprivate func write(to json: inout JSONWriter<[UInt8]>, queue: String) {
        for (name, text) in [
            ("entry", "\(queue).\(position)"), ("state", state.rawValue), ("aggregateType", aggregate.type),
            ("aggregateId", "\(aggregate.id)"), ("eventType", type),
        ] {
            json.name(name)
            json.string(text)
        }
        for (name, value) in [
            ("position", position), ("version", version), ("attempts", UInt64(failures)), ("waiting", waiting),
        ] {
            json.name(name)
            json.integer(value)
        }
        json.name("transient")
        json.bool(isTransient)
        if let failure {
            json.name("reason")
            json.string(failure.reason)
            if let code = failure.grpcCode {
                json.name("grpcCode")
                json.integer(code)
            }
        }
        for (name, time) in [("since", since), ("nextAttempt", due)] {
            guard let time else { continue }
            json.name(name)
            json.string("\(time)")
        }
    }
}

extension StoredEvent {
    fileprivate func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        for (name, value) in [("position", position), ("version", version), ("schemaVersion", UInt64(event.schemaVersion))] {
            json.name(name)
            json.integer(value)
        }
        for (name, text) in [
            ("eventId", "\(event.id)"), ("type", event.type), ("timestamp", "\(event.timestamp)"),
            ("correlationId", event.metadata.correlationId), ("causationId", event.metadata.causationId),
            ("userId", event.metadata.userId), ("source", event.metadata.source),
        ] as [(String, String?)] {
            guard let text else { continue }
            json.name(name)
            json.string(text)
        }
        json.name("payload")
        if let payload = try? JSONValue(event.payload.span) { payload.write(to: &json) } else { json.null() }
        json.endObject()
    }
}

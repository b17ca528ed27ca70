import Contracts
import EventCore
import Exchanges
import Gateway
import Topics
import WireMQTT

/// The operation `mqtt`: `GET /mqtt/sessions`, `POST /mqtt/sessions/{client id}/kick`, `GET /mqtt/refused`,
/// `GET /mqtt/refused/{number}`, `POST /mqtt/refused/{number}/drop`, `POST /mqtt/refused/{number}/retry`.
extension MQTTSide {
    func answer(_ request: AdminRequest) async -> AdminAnswer {
        switch (request.verb, request.parameter("list"), request.parameter("entry"), request.parameter("action")) {
        case (.get, "sessions", nil, nil): await sessions(request)
        case (.post, "sessions", let client?, "kick"): await kick(client)
        case (.get, "refused", nil, nil): await refused(request)
        case (.get, "refused", let number?, nil): await show(number)
        case (.post, "refused", let number?, "drop"): await drop(number)
        case (.post, "refused", let number?, "retry"): await retry(number)
        default: AdminAnswer(404, "there are sessions (which can be told: kick) and refused (which can be told: drop or retry)")
        }
    }

    private func limit(_ request: AdminRequest) -> Int? {
        Int(request.query("limit") ?? "100").flatMap { (1...1000).contains($0) ? $0 : nil }
    }

    private func page(_ name: StaticString, next: UInt64?, _ write: (inout JSONWriter<[UInt8]>) -> Void) -> AdminAnswer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name(name)
        json.beginArray()
        write(&json)
        json.endArray()
        if let next {
            json.name("nextToken")
            json.string("\(next)")
        }
        json.endObject()
        return AdminAnswer(body: json.sink)
    }

    private func sessions(_ request: AdminRequest) async -> AdminAnswer {
        guard let limit = limit(request), let after = UInt64(request.query("nextToken") ?? "0") else {
            return AdminAnswer(400, "'limit' is from 1 to 1000, 'nextToken' that of the page before")
        }
        let found = await broker.sessions(after: after, limit: limit)
        return page("sessions", next: found.count == limit ? found.last?.number : nil) { json in
            for session in found { session.write(to: &json) }
        }
    }

    private func kick(_ client: String) async -> AdminAnswer {
        await broker.kick(clientID: Array(client.utf8))
            ? AdminAnswer(body: Array(#"{"result":"kicked"}"#.utf8)) : AdminAnswer(404, "no client of that id is connected")
    }

    private func refused(_ request: AdminRequest) async -> AdminAnswer {
        guard let limit = limit(request), let before = UInt64(request.query("nextToken") ?? "\(UInt64.max)") else {
            return AdminAnswer(400, "'limit' is from 1 to 1000, 'nextToken' that of the page before")
        }
        do throws(SessionStoreFault) {
            let found = try await broker.refused(before: before, limit: limit)
            return page("refused", next: found.count == limit ? found.last?.number : nil) { json in
                for entry in found { entry.write(to: &json, whole: false) }
            }
        } catch {
            return AdminAnswer(503, "the store of MQTT sessions cannot be read")
        }
    }

    private func show(_ text: String) async -> AdminAnswer {
        await withEntry(text) { entry in
            var json = JSONWriter<[UInt8]>([])
            entry.write(to: &json, whole: true)
            return AdminAnswer(body: json.sink)
        }
    }

    private func drop(_ text: String) async -> AdminAnswer {
        await withEntry(text) { entry in
            guard await broker.forgetRefused(entry.number) else {
                return AdminAnswer(503, "the message could not be dropped; try again")
            }
            return AdminAnswer(body: Array(#"{"result":"dropped"}"#.utf8))
        }
    }

    /// What came of it is the body's `result`: taken, refused, later.
    private func retry(_ text: String) async -> AdminAnswer {
        guard let number = UInt64(text) else { return AdminAnswer(404, "there is no such message") }
        guard refused.enter(number) else { return AdminAnswer(409, "it is on its way already, or too many are") }
        defer { refused.leave(number) }
        // Read when nobody else can have it sent: it may have been on the list a moment ago.
        return await withEntry(text) { await refused.retry($0) }
    }

    /// The answer about the consumers' dead letters, with how many messages were refused, and where they are.
    /// - Parameter report: a JSON object with members.
    func addRefused(to report: [UInt8]) async -> AdminAnswer {
        do throws(SessionStoreFault) {
            let count = try await broker.refusedCount()
            return AdminAnswer(body: report.dropLast() + Array(#","refusedMessages":{"count":\#(count),"list":"/mqtt/refused"}}"#.utf8))
        } catch {
            return AdminAnswer(503, "the store of MQTT sessions cannot be read")
        }
    }

    private func withEntry(_ text: String, _ answer: (RefusedEntry) async -> AdminAnswer) async -> AdminAnswer {
        guard let number = UInt64(text), number < .max else { return AdminAnswer(404, "there is no such message") }
        do throws(SessionStoreFault) {
            guard let entry = try await broker.refused(before: number + 1, limit: 1).first, entry.number == number else {
                return AdminAnswer(404, "there is no such message")
            }
            return await answer(entry)
        } catch {
            return AdminAnswer(503, "the store of MQTT sessions cannot be read")
        }
    }
}

extension SessionSummary {
    fileprivate func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.name("clientId")
        json.string(String(decoding: clientID, as: UTF8.self))
        json.name("connected")
        json.bool(isConnected)
        json.name("queued")
        json.integer(queued)
        json.name("queuedBytes")
        json.integer(queuedBytes)
        json.name("subscriptions")
        json.integer(subscriptions)
        // For ever has no number.
        if sessionExpiry != .max {
            json.name("expirySeconds")
            json.integer(sessionExpiry)
        }
        if leftMS != 0 {
            json.name("leftAt")
            json.string("\(Timestamp(milliseconds: leftMS))")
        }
        json.endObject()
    }
}

extension RefusedEntry {
    /// - Parameter whole: with the payload: as text where it is one, else in hexadecimal.
    fileprivate func write(to json: inout JSONWriter<[UInt8]>, whole: Bool) {
        json.beginObject()
        json.name("number")
        json.integer(number)
        json.name("topic")
        json.string(String(decoding: message.topic, as: UTF8.self))
        json.name("clientId")
        json.string(String(decoding: message.clientID, as: UTF8.self))
        json.name("subject")
        json.string(String(decoding: message.subject, as: UTF8.self))
        json.name("qos")
        json.integer(message.qos.rawValue)
        json.name("code")
        json.string(message.code)
        json.name("reason")
        json.string(message.reason)
        json.name("at")
        json.string("\(Timestamp(milliseconds: message.atMS))")
        json.name("bytes")
        json.integer(message.payload.count)
        if whole {
            if let text = String(validating: message.payload, as: UTF8.self) {
                json.name("payload")
                json.string(text)
            } else {
                json.name("payloadHex")
                json.string(message.payload.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            }
        }
        json.endObject()
    }
}

extension Timestamp {
    fileprivate init(milliseconds: UInt64) { self.init(microseconds: Int64(clamping: milliseconds.multipliedReportingOverflow(by: 1000).partialValue)) }
}

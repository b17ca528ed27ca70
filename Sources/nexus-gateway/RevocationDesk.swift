import CShim
import Contracts
import Exchanges
import Gateway
import Identity

/// The operation `revocations`: revokes credentials, lists what is revoked, takes one back.
struct RevocationDesk: Sendable {
    let revocations: Revocations
    /// Seconds that a revocation is remembered when nobody says until when its tokens live.
    private static let usualTTL: UInt64 = 30 * 86_400
    private static let longestTTL: UInt64 = 366 * 86_400
    /// Bytes of `jti`, `sub` and `issuer`: no more is read in tokens.
    private static let mostText = 256

    /// Kept in the file at `path`.
    init(path: String) throws { revocations = try Revocations(path: path, nowMS: Self.nowMS()) }

    private static func nowMS() -> UInt64 { UInt64(max(0, nx_realtime_ns())) / 1_000_000 }

    func answer(_ request: AdminRequest) -> AdminAnswer {
        switch (request.verb, request.parameter("id")) {
        case (.get, nil): return list(request)
        case (.post, nil): return add(request)
        case (.delete, let id?): return remove(id)
        default: return AdminAnswer(404, "a revocation can be listed, made, or taken back by its id")
        }
    }

    private func list(_ request: AdminRequest) -> AdminAnswer {
        guard let limit = Int(request.query("limit") ?? "100"), (1...1000).contains(limit) else {
            return AdminAnswer(400, "'limit' must be from 1 to 1000")
        }
        let entries = revocations.list(after: request.query("after") ?? "", most: limit + 1, nowMS: Self.nowMS())
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("revocations")
        json.beginArray()
        for entry in entries.prefix(limit) { entry.write(to: &json) }
        json.endArray()
        if entries.count > limit {
            json.name("after")
            json.string(entries[limit - 1].id)
        }
        json.endObject()
        return AdminAnswer(body: json.sink)
    }

    private func add(_ request: AdminRequest) -> AdminAnswer {
        guard let body = try? JSONValue(request.body.span), case .object(let members) = body else {
            return AdminAnswer(400, "the body must be a JSON object with 'jti' or 'sub'")
        }
        let known = ["jti", "sub", "issuer", "before", "exp", "ttl"]
        guard members.allSatisfy({ known.contains($0.name) }) else {
            return AdminAnswer(400, "only 'jti', 'sub', 'issuer', 'before', 'exp' and 'ttl' may be said")
        }
        var name = ""
        let whose: Revocations.Entry.Whose
        switch (body["jti"], body["sub"]) {
        case (.string(let text)?, nil): (whose, name) = (.token, text)
        case (nil, .string(let text)?): (whose, name) = (.subject, text)
        default: return AdminAnswer(400, "either 'jti' or 'sub' must be said, as a text")
        }
        var issuer = ""
        if let value = body["issuer"] {
            guard case .string(let text) = value else { return AdminAnswer(400, "'issuer' must be the name of an issuer") }
            guard text.isEmpty || revocations.knows(issuer: text) else {
                return AdminAnswer(400, "the configuration has no issuer of that name, so this would revoke nothing")
            }
            issuer = text
        }
        guard (1...Self.mostText).contains(name.utf8.count), issuer.utf8.count <= Self.mostText else {
            return AdminAnswer(400, "'jti', 'sub' and 'issuer' have 1 to 256 bytes")
        }
        let now = Self.nowMS()
        guard let before = seconds(body["before"]), let exp = seconds(body["exp"]), let ttl = seconds(body["ttl"]),
            whose == .subject || before == nil, exp == nil || ttl == nil
        else { return AdminAnswer(400, "'before' (with 'sub') and 'exp' are seconds since 1970, 'ttl' seconds from now; not 'exp' and 'ttl'") }
        let untilMS = exp.map { $0 * 1000 } ?? now + (ttl ?? Self.usualTTL) * 1000
        guard untilMS > now, untilMS <= now + Self.longestTTL * 1000 else {
            return AdminAnswer(400, "a revocation lasts at least a moment, and at most 366 days")
        }
        var random = SystemRandomNumberGenerator()
        let id = String(random.next(), radix: 16)
        // What was issued in this very second counts as well: `iat` is often a whole number.
        let beforeMS = whose == .token ? .max : before.map { $0 * 1000 } ?? now + 1
        let entry = Revocations.Entry(
            id: String(repeating: "0", count: 16 - id.count) + id, whose: whose, name: name, issuer: issuer, beforeMS: beforeMS,
            untilMS: untilMS)
        do throws(Revocations.Fault) {
            let kept = try revocations.add(entry, nowMS: now)
            var json = JSONWriter<[UInt8]>([])
            kept.write(to: &json)
            return AdminAnswer(status: 201, body: json.sink)
        } catch {
            switch error {
            case .full: return AdminAnswer(503, "there are too many revocations: take some back, or let them expire")
            case .notWritten: return AdminAnswer(503, "the revocation could not be written to disk, and does not count")
            }
        }
    }

    /// Nil = it is there, and no whole number of seconds up to the year 9999.
    private func seconds(_ value: JSONValue?) -> UInt64?? {
        switch value {
        case nil: return .some(nil)
        case .number(let text)?:
            guard let number = UInt64(text), number <= 253_402_300_799 else { return nil }
            return .some(number)
        default: return nil
        }
    }

    private func remove(_ id: String) -> AdminAnswer {
        do {
            guard try revocations.remove(id: id) else { return AdminAnswer(404, "there is no such revocation") }
            return AdminAnswer(body: Array("{\"id\":\"\(id)\",\"removed\":true}".utf8))
        } catch {
            return AdminAnswer(503, "that could not be written to disk: it is revoked still")
        }
    }
}

extension Revocations.Entry {
    fileprivate func write(to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.name("id")
        json.string(id)
        json.name(whose == .token ? "jti" : "sub" as StaticString)
        json.string(name)
        if !issuer.isEmpty {
            json.name("issuer")
            json.string(issuer)
        }
        if beforeMS != .max {
            json.name("before")
            json.integer(beforeMS / 1000)
        }
        json.name("exp")
        json.integer(untilMS / 1000)
        json.endObject()
    }
}

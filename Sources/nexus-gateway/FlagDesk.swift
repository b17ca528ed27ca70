import Contracts
import EventCore
import Exchanges
import Gateway
import Routes
import Sagas
import Settings
import Telemetry

/// What people ask about flags, and the weights they set while the gateway runs: an event first, in force when it is on
/// disk.
struct FlagDesk: Sendable {
    let board: FlagBoard
    let core: EventLog

    // MARK: - Restore

    /// What the log has of these flags comes before what their file says: before a request is served by them.
    func restore(_ flags: [FlagDefinition]) async throws(Refusal) {
        board.adopt(flags)
        for flag in flags {
            guard let id = Identifier(flag.name) else { continue }
            try await apply(id)
        }
    }

    /// Tells of overrides, which whoever edits the file must know of.
    func note(to log: Log) {
        for standing in board.standings {
            guard let override = standing.override else { continue }
            log.warning(
                "a flag's weight is not its file's",
                [
                    "flag": standing.name, "weight": Percentage.text(basisPoints: override.weight),
                    "file": Percentage.text(basisPoints: standing.file.weight), "by": override.by, "since": "\(override.since)",
                ])
        }
    }

    private func apply(_ id: Identifier) async throws(Refusal) {
        guard case .flag(let flag) = try await core.state(of: AggregateName(kind: .flag, id: id)) else { return }
        board.apply(flag, to: id.description)
    }

    // MARK: - Answer

    /// Why not.
    private struct No: Error {
        var status: UInt16
        var message: String

        init(_ message: String, status: UInt16 = 400) {
            self.status = status
            self.message = message
        }

        /// The log's.
        init(_ refusal: Refusal) {
            status = refusal.outcome.httpStatus
            message = refusal.text ?? "\(refusal.outcome.detail)"
        }
    }

    func answer(_ request: AdminRequest) async -> AdminAnswer {
        guard let name = request.parameter("flag") else { return list() }
        guard let id = Identifier(name), let standing = board.standing(of: name) else {
            return FlagDesk.no(404, "there is no flag '\(name)'")
        }
        guard let verb = request.parameter("action") else { return sheet(standing) }
        do throws(No) {
            try await change(id, try action(verb, request, standing))
        } catch {
            return FlagDesk.no(error.status, error.message)
        }
        return board.standing(of: name).map(sheet) ?? FlagDesk.no(404, "there is no flag '\(name)'")
    }

    private func action(_ verb: String, _ request: AdminRequest, _ standing: FlagBoard.Standing) throws(No) -> FlagAction {
        guard ["set", "clear"].contains(verb) else { throw No("a flag can be told: set or clear", status: 404) }
        let (weight, note) = try FlagDesk.wish(request.body)
        let (file, by) = (standing.file.weight, FlagDesk.name(request.by))
        switch (verb, weight) {
        case ("set", let weight?): return .setWeight(weight, file: file, note: note, by: by)
        case ("set", nil): throw No("'weight' is needed: a percentage with at most two decimals, such as 12.5")
        case (_, nil): return .clearWeight(file: file, note: note, by: by)
        case (_, _?): throw No("what is cleared has no weight of its own: leave 'weight' out")
        }
    }

    /// On disk first, then in force.
    private func change(_ id: Identifier, _ action: FlagAction) async throws(No) {
        do throws(Refusal) {
            try await core.execute([.flag(id, action)])
            try await apply(id)
        } catch {
            throw No(error)
        }
    }

    /// `{"weight"?,"note"?}`, or nothing.
    private static func wish(_ body: [UInt8]) throws(No) -> (weight: UInt16?, note: String?) {
        guard !body.isEmpty else { return (nil, nil) }
        guard case .object(let members)? = try? JSONValue(body.span) else { throw No("the body must be {\"weight\", \"note\"}") }
        var weight: UInt16?
        var note: String?
        for member in members {
            switch (member.name, member.value) {
            case ("weight", .number(let text)):
                guard let share = Percentage.basisPoints(text) else {
                    throw No("'weight' must be from 0 to 100, with at most two decimals")
                }
                weight = share
            case ("note", .string(let text)):
                guard !CardNumber.isIn(text) else { throw No("the note seems to hold a card's number, and it is kept for ever") }
                note = text
            case ("weight", _): throw No("'weight' must be a number")
            case ("note", _): throw No("'note' must be text")
            default: throw No("unknown member '\(member.name)': there are weight and note")
            }
        }
        return (weight, note)
    }

    /// As the event takes it.
    private static func name(_ by: String) -> String {
        let short = String(by.unicodeScalars.prefix(64))
        return short.isEmpty ? "-" : short
    }

    /// `{"flags":[…]}`
    private func list() -> AdminAnswer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("flags")
        json.beginArray()
        for standing in board.standings { json.flag(standing) }
        json.endArray()
        json.endObject()
        return AdminAnswer(body: json.sink)
    }

    private func sheet(_ standing: FlagBoard.Standing) -> AdminAnswer {
        var json = JSONWriter<[UInt8]>([])
        json.flag(standing)
        return AdminAnswer(body: json.sink)
    }

    private static func no(_ status: UInt16, _ message: String) -> AdminAnswer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("message")
        json.string(message)
        json.endObject()
        return AdminAnswer(status: status, body: json.sink)
    }
}

extension JSONWriter<[UInt8]> {
    /// `{"flag","weight","file","from","targets","override"?:{"weight","by","since","note"?}}`, weights in percent.
    fileprivate mutating func flag(_ standing: FlagBoard.Standing) {
        beginObject()
        name("flag")
        string(standing.name)
        name("weight")
        number(text: Percentage.text(basisPoints: standing.weight))
        name("file")
        number(text: Percentage.text(basisPoints: standing.file.weight))
        name("from")
        string("\(standing.file.position)")
        name("targets")
        integer(standing.file.targets.count)
        if let override = standing.override {
            name("override")
            beginObject()
            name("weight")
            number(text: Percentage.text(basisPoints: override.weight))
            name("by")
            string(override.by)
            name("since")
            string(override.since.description)
            if let note = override.note {
                name("note")
                string(note)
            }
            endObject()
        }
        endObject()
    }
}

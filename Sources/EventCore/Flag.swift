import Contracts
import Exchanges

/// What people have set of a flag while the gateway ran; its id is the flag's name. State is the fold of its events,
/// nothing else. What the flag's file says is not the log's: an override stands before it until it is cleared.
public struct Flag: Aggregate, Equatable {
    public static let type = "Flag"
    /// Bytes of what is said with a change.
    public static let longestNote = 1_000
    /// A weight is counted in these.
    public static let wholeWeight: UInt16 = 10_000

    /// A weight that somebody has set.
    public struct Override: Sendable, Equatable {
        /// In 1/10,000 of the users.
        public var weight: UInt16
        public var note: String?
        public var by: String
        public var since: Timestamp

        public init(weight: UInt16, note: String?, by: String, since: Timestamp) {
            self.weight = weight
            self.note = note
            self.by = by
            self.since = since
        }
    }

    /// Nil = the flag's file decides.
    public private(set) var override: Override?
    /// Of its last event; 0 for a flag that nobody has touched.
    public private(set) var version: UInt64 = 0

    public init() {}

    var cost: Int { 256 + (override.map { $0.by.utf8.count + ($0.note?.utf8.count ?? 0) } ?? 0) }

    // MARK: - Fold

    public mutating func apply(_ event: FlagEvent, at instant: Timestamp) {
        version += 1
        switch event {
        case .weightSet(let change): override = Override(weight: change.weight, note: change.note, by: change.by, since: instant)
        case .weightCleared: override = nil
        }
    }

    // MARK: - Decide

    /// Setting the weight that stands, with nothing new to say, changes nothing; nor does clearing what is clear.
    public func decide(_ action: FlagAction, at now: Timestamp) throws(Refusal) -> [FlagEvent] {
        switch action {
        case .setWeight(let weight, let file, let note, let by):
            guard weight <= Flag.wholeWeight else {
                throw Refusal(.validationError, "the weight must be from 0 to 100 percent", field: "/weight")
            }
            try Flag.check(note)
            if let override, override.weight == weight, note == nil || note == override.note { return [] }
            return [.weightSet(FlagChange(weight: weight, previous: override?.weight ?? file, note: note, by: by))]
        case .clearWeight(let file, let note, let by):
            try Flag.check(note)
            guard let override else { return [] }
            return [.weightCleared(FlagChange(weight: file, previous: override.weight, note: note, by: by))]
        }
    }

    private static func check(_ note: String?) throws(Refusal) {
        guard let note, note.utf8.count > longestNote else { return }
        throw Refusal(.validationError, "a note may have 1000 bytes", field: "/note")
    }

    // MARK: - Answer

    /// `{"flag","override"?:{"weight","by","since","note"?},"version"}`
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("flag")
        json.string(id)
        if let override {
            json.name("override")
            json.beginObject()
            json.name("weight")
            json.integer(override.weight)
            json.name("by")
            json.string(override.by)
            json.name("since")
            json.string(override.since.description)
            if let note = override.note {
                json.name("note")
                json.string(note)
            }
            json.endObject()
        }
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }
}

import Contracts
import Exchanges

/// On which side of a flag something was begun that must end there (SPEC R-5): a user's cart, say. Its id names the flag
/// and the thing; the log's single writer decides, so that the first one's side is everybody's.
public struct Affinity: Aggregate, Equatable {
    public static let type = "Affinity"

    /// Where it is, until it is released.
    public struct Holding: Sendable, Equatable {
        /// The flag's side: its route's target, not its fallback.
        public var isOn: Bool
        /// When it was last taken.
        public var since: Timestamp
    }

    public private(set) var holding: Holding?
    /// Of its last event; 0 for one that never was.
    public private(set) var version: UInt64 = 0

    public init() {}

    /// Bytes of memory it takes, about.
    var cost: Int { 128 }

    /// The side that holds it, by the rule that what nobody has added to for `age` microseconds is forgotten.
    public func isOn(at now: Timestamp, age: Int64) -> Bool? {
        guard let holding, now.microseconds - holding.since.microseconds < age else { return nil }
        return holding.isOn
    }

    // MARK: - Fold

    public mutating func apply(_ event: AffinityEvent, at instant: Timestamp) {
        version += 1
        switch event {
        case .taken(let isOn): holding = Holding(isOn: isOn, since: instant)
        case .released: holding = nil
        }
    }

    // MARK: - Decide

    /// Who comes first decides. Who comes to what is held gets its side, and keeps it from being forgotten.
    public func decide(_ action: AffinityAction, at now: Timestamp) throws(Refusal) -> [AffinityEvent] {
        switch action {
        case .take(let wanted, let age):
            guard let isOn = isOn(at: now, age: age), let holding else { return [.taken(isOn: wanted)] }
            let held = now.microseconds - holding.since.microseconds
            return held >= age / Affinity.renewals ? [.taken(isOn: isOn)] : []
        case .release: return holding == nil ? [] : [.released]
        }
    }

    /// What is in use is taken anew this often in its age: an event each time, and so much too early it may be forgotten.
    public static let renewals: Int64 = 4

    // MARK: - Answer

    /// `{"affinity","side"?,"since"?,"version"}`
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("affinity")
        json.string(id)
        if let holding {
            json.name("side")
            json.string(AffinityEvent.side(holding.isOn))
            json.name("since")
            json.string(holding.since.description)
        }
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }
}

/// Whose affinity it is: `FLAG/ENTITY`.
extension Affinity {
    /// Is an entity's id so short and plain that it stands in the aggregate's as it is?
    public static func isPlain(_ entity: borrowing Span<UInt8>, flag: Int) -> Bool {
        guard entity.count > 0, flag + 1 + entity.count <= Identifier.longest, entity[0] != 0x23 else { return false }
        for i in entity.indices where entity[i] < 0x20 || entity[i] > 0x7e { return false }
        return true
    }

    /// Of an entity that is not plain, a digest stands for it, behind a `#`. Nil for a flag whose name leaves no room.
    public static func id(flag: String, entity: [UInt8]) -> Identifier? {
        let name = Array(flag.utf8)
        if isPlain(entity.span, flag: name.count) { return Identifier(name + [0x2f] + entity) }
        // The key is not secret: ids are to be told apart, over all processes, and not to be hidden.
        guard let key = RepeatDigest.Key(Array("nexus.affinity.1".utf8)) else { return nil }
        var digest = RepeatDigest(key)
        digest.add(entity)
        let made = digest.finish()
        let hex = [made.high, made.low].flatMap { word in
            (0..<16).map { Array("0123456789abcdef".utf8)[Int(truncatingIfNeeded: word >> UInt64(60 - 4 * $0)) & 15] }
        }
        return Identifier(name + Array("/#".utf8) + hex)
    }

    /// The flag and the entity of an id, where that is plain.
    public static func parts(of id: Identifier) -> (flag: String, entity: ArraySlice<UInt8>)? {
        guard let slash = id.bytes.firstIndex(of: 0x2f), slash + 1 < id.bytes.count, id.bytes[slash + 1] != 0x23 else { return nil }
        return (String(decoding: id.bytes[..<slash], as: UTF8.self), id.bytes[(slash + 1)...])
    }
}

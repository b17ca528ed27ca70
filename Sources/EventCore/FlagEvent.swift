import Contracts

/// What may be asked of a flag. `file` is the weight that the flag's file gives at this moment: the log does not know it.
public enum FlagAction: Sendable, Equatable {
    case setWeight(UInt16, file: UInt16, note: String?, by: String)
    /// From now on the file decides again.
    case clearWeight(file: UInt16, note: String?, by: String)
}

/// A weight before and after, in 1/10,000, and who wanted it why.
public struct FlagChange: Sendable, Equatable {
    public var weight: UInt16
    public var previous: UInt16
    public var note: String?
    public var by: String

    public init(weight: UInt16, previous: UInt16, note: String?, by: String) {
        self.weight = weight
        self.previous = previous
        self.note = note
        self.by = by
    }
}

/// What can have happened to a flag. Version 1 of the payloads.
public enum FlagEvent: AggregateEvent, Equatable {
    case weightSet(FlagChange)
    /// `weight` is the file's, which holds again.
    case weightCleared(FlagChange)

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .weightSet: "FlagWeightSet"
        case .weightCleared: "FlagWeightCleared"
        }
    }

    public var payload: [UInt8] {
        switch self {
        case .weightSet(let change), .weightCleared(let change):
            var json = JSONWriter<[UInt8]>([])
            json.beginObject()
            json.name("weight")
            json.integer(change.weight)
            json.name("previous")
            json.integer(change.previous)
            if let note = change.note {
                json.name("note")
                json.string(note)
            }
            json.name("by")
            json.string(change.by)
            json.endObject()
            return json.sink
        }
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == FlagEvent.schemaVersion, let members = JSONMembers(event.payload),
            let weight = members.weight("weight"), let previous = members.weight("previous"), let by = members.string("by")
        else { return nil }
        let change = FlagChange(weight: weight, previous: previous, note: members.string("note"), by: by)
        switch event.type {
        case "FlagWeightSet": self = .weightSet(change)
        case "FlagWeightCleared": self = .weightCleared(change)
        default: return nil
        }
    }
}

extension JSONMembers {
    fileprivate func weight(_ name: StaticString) -> UInt16? {
        int64(name).flatMap { UInt16(exactly: $0) }.flatMap { $0 <= Flag.wholeWeight ? $0 : nil }
    }
}

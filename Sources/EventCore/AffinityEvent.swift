import Contracts

/// What may be asked of an affinity.
public enum AffinityAction: Sendable, Equatable {
    /// Something is begun, on this side of the flag unless it is on one already.
    /// - Parameter age: microseconds after which what is held is forgotten.
    case take(isOn: Bool, age: Int64)
    /// It is finished.
    case release
}

/// What can have happened to an affinity. Version 1 of the payloads.
public enum AffinityEvent: AggregateEvent, Equatable {
    case taken(isOn: Bool)
    case released

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .taken: "AffinityTaken"
        case .released: "AffinityReleased"
        }
    }

    /// As the flag file names the sides.
    static func side(_ isOn: Bool) -> String { isOn ? "on" : "off" }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        if case .taken(let isOn) = self {
            json.name("side")
            json.string(AffinityEvent.side(isOn))
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == AffinityEvent.schemaVersion else { return nil }
        switch event.type {
        case "AffinityTaken":
            guard let side = JSONMembers(event.payload)?.string("side"), side == "on" || side == "off" else { return nil }
            self = .taken(isOn: side == "on")
        case "AffinityReleased": self = .released
        default: return nil
        }
    }
}

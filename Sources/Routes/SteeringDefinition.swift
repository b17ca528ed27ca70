public import Exchanges

/// How a route asks its flag: for which share of whom.
public struct SteeringDefinition: Sendable, Hashable {
    /// In 1/10,000 of the users: those go to the target, the others to the fallback. The flag file's, where that
    /// knows the flag.
    public var weight: UInt16
    /// Tried in this order until one names somebody.
    public var keys: [SteeringKey] = []
    /// What its requests are to the thing that stays on one side; `none` = nothing stays.
    public var affinity = AffinityRole.none
    /// Where the flag file speaks of the flag; nil = the route weighs it itself.
    public var place: String?
}

/// Who or what a request is counted for: the same key always goes the same way.
public enum SteeringKey: Sendable, Hashable, CustomStringConvertible {
    /// The user or session that the stage `identify` found.
    case principal
    /// Lower case.
    case header(String)
    /// Index into the match's captures.
    case capture(String, Int)
    /// Of the message or JSON body: `user_id` or `a.b`.
    case field(String)

    public var description: String {
        switch self {
        case .principal: "principal"
        case .header(let name): "header \(name)"
        case .capture(let name, _): "path parameter \(name)"
        case .field(let path): "field \(path)"
        }
    }
}

import Contracts
import Exchanges
import Policies
import Routes
import Settings

/// Where a route finds whom a request is counted for, ready for the request path.
struct SteeringKeys: Sendable {
    enum Key: Sendable {
        case principal
        /// Lower case.
        case header([UInt8])
        /// The number of a capture.
        case capture(Int)
        /// A field of a message.
        case message(ProtoFieldPath)
        /// A member of a JSON text: the names on the way, each in both spellings.
        case json([[[UInt8]]])
    }

    /// Tried in this order.
    let keys: [Key]

    init(
        _ steering: SteeringDefinition, _ route: RouteDefinition, _ method: Int?, _ schema: ProtoSchema?, _ diagnostics: Diagnostics
    ) {
        keys = steering.keys.compactMap { key in
            switch key {
            case .principal: .principal
            case .header(let name): .header(Array(name.utf8))
            case .capture(_, let place): .capture(place)
            case .field(let path): Self.field(path, route, method, schema, diagnostics)
            }
        }
    }

    private static func field(
        _ path: String, _ route: RouteDefinition, _ method: Int?, _ schema: ProtoSchema?, _ diagnostics: Diagnostics
    ) -> Key? {
        guard route.match.grpc else {
            return .json(path.split(separator: ".").map { [Array($0.utf8), Array(camelCase(String($0)).utf8)] })
        }
        guard let schema, let method else {
            diagnostics.error(at: route.position, "route '\(route.name)' is steered by the field '\(path)' of a message that is not known")
            return nil
        }
        guard let found = try? schema.path(path, in: schema.methods[method].input) else {
            let name = schema.name(ofMessage: schema.methods[method].input)
            diagnostics.error(at: route.position, "\(name) has no field '\(path)' to steer route '\(route.name)' by")
            return nil
        }
        return .message(found)
    }

    /// `user_id` → `userId`
    private static func camelCase(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return (parts.first.map(String.init) ?? "") + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}

extension Steer {
    /// As a flag's file says it.
    init(_ flag: FlagDefinition) {
        self.init(
            salt: flag.salt,
            targets: flag.targets.map { target in
                switch target.whom {
                case .users(let users): SteerTarget(.users(UserSet(users)), isOn: target.isOn)
                case .segment(let segment): SteerTarget(.principals(PrincipalPattern(segment)), isOn: target.isOn)
                }
            })
    }
}

extension PrincipalPattern {
    fileprivate init(_ segment: SegmentDefinition) {
        self.init()
        kinds = segment.kinds.compactMap { Principal.Kind(named: $0) }
        issuers = segment.issuers.map { Array($0.utf8) }
        roles = segment.roles.map { Array($0.utf8) }
        scopes = segment.scopes.map { Array($0.utf8) }
        claims = segment.claims.map { (Array($0.name.utf8), $0.values.map { Array($0.utf8) }) }
    }
}

extension Principal.Kind {
    /// `SegmentDefinition.kindNames`
    fileprivate init?(named name: String) {
        switch name {
        case "user": self = .user
        case "service": self = .service
        case "session": self = .session
        case "anonymous": self = .anonymous
        default: return nil
        }
    }
}

extension JSONTape {
    /// The text of the value at the end of a path of names; empty when it is not there.
    func steeringValue(_ names: [[[UInt8]]], in text: Span<UInt8>) -> [UInt8] {
        var at = 0
        for spellings in names {
            guard let next = member(spellings, of: at, in: text) else { return [] }
            at = next
        }
        return self[at].kind == .string ? string(at, in: text) : text.extracting(self[at].text.range).bytes
    }

    /// The value of a member with one of these names, or nil.
    private func member(_ names: [[UInt8]], of object: Int, in text: Span<UInt8>) -> Int? {
        guard self[object].kind == .object else { return nil }
        let end = next(object)
        var at = object + 1
        while at < end {
            if names.contains(string(at, in: text)) { return at + 1 }
            at = next(at + 1)
        }
        return nil
    }
}

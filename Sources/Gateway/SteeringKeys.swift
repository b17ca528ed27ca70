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
        case body(BodyField)
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
        switch BodyField.find(path, route, method, schema) {
        case .success(let field): return .body(field)
        case .failure(let missing):
            diagnostics.error(at: route.position, "route '\(route.name)' cannot be steered by the field '\(path)': \(missing.text)")
            return nil
        }
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

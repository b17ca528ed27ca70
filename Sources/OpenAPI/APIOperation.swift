import Contracts
import Exchanges
import Routes
import Settings

/// What a route takes and answers by one method.
struct APIOperation {
    /// Stands in a path, a query or a field.
    struct Parameter {
        var place: String
        var name: String
        var isRequired: Bool
        var members: JSONValue
    }

    struct Body {
        var isRequired: Bool
        /// By media type.
        var schemas: [(type: String, schema: JSONValue)]
    }

    struct Answer {
        var description: String
        var headers: [APIHeaders.Field] = []
        var schemas: [(type: String, schema: JSONValue)] = []
    }

    private(set) var routes: [String]
    let method: String
    private(set) var flags: [String]
    private(set) var hosts: [String]
    var parameters: [Parameter] = []
    var body: Body?
    /// By status: `200`, `2XX`.
    var answers: [(status: String, answer: Answer)] = []
    /// Statuses of problem documents, with references to them.
    var problems: [UInt16: JSONValue] = [:]
    private var security: JSONValue?

    static let json = "application/json"

    /// - Parameter names: of the path's parameters, in order.
    init(_ route: RouteDefinition, method: String, names: [String], _ components: inout APIComponents) {
        routes = [route.name]
        self.method = method
        flags = route.flag.map { [$0] } ?? []
        hosts = route.match.hosts.map { "\($0)" }
        addPath(route, names)
        addConditions(route)
        addTarget(route, &components)
        addStages(route, &components)
    }

    private mutating func addPath(_ route: RouteDefinition, _ names: [String]) {
        var places = names[...]
        for segment in route.match.path.segments {
            switch segment {
            case .literal: continue
            case .parameter:
                guard let name = places.popFirst() else { return }
                add("path", name, required: true, .members(["type": .string("string"), "minLength": .integer(1)]))
            case .rest:
                guard let name = places.popFirst() else { return }
                add("path", name, required: true, .members(["type": .string("string")]), "All that is left of the path, slashes and all.")
            }
        }
    }

    private mutating func addConditions(_ route: RouteDefinition) {
        for (place, conditions) in [("header", route.match.headers), ("query", route.match.query)] {
            for condition in conditions {
                // OpenAPI has these elsewhere.
                if place == "header", ["accept", "content-type", "authorization"].contains(condition.name) { continue }
                switch condition.test {
                case .equals(let value):
                    let text = JSONValue.string(String(decoding: value, as: UTF8.self))
                    add(place, condition.name, required: true, .members(["type": .string("string"), "enum": .array([text])]))
                case .present: add(place, condition.name, required: true, .members(["type": .string("string")]))
                case .absent: continue
                }
            }
        }
    }

    // MARK: - Parts

    mutating func add(_ place: String, _ name: String, required: Bool, _ schema: JSONValue, _ description: String? = nil) {
        guard !parameters.contains(where: { $0.place == place && $0.name.lowercased() == name.lowercased() }) else { return }
        parameters.append(
            Parameter(
                place: place, name: name, isRequired: required,
                members: .members(["description": description.map { .string($0) }, "schema": schema])))
    }

    mutating func answer(_ status: String, _ answer: Answer) {
        guard !answers.contains(where: { $0.status == status }) else { return }
        answers.append((status, answer))
    }

    mutating func fail(_ statuses: [UInt16], _ components: inout APIComponents) {
        for status in statuses where problems[status] == nil { problems[status] = components.problem(status) }
    }

    // MARK: - Stages

    private mutating func addStages(_ route: RouteDefinition, _ components: inout APIComponents) {
        if let identity = route.identity {
            fail([401], &components)
            security =
                switch identity.mode {
                case .required: components.security(bearer: true, certificate: false, nothing: false)
                case .optional, .anonymousSession: components.security(bearer: true, certificate: false, nothing: true)
                case .serviceIdentity: components.security(bearer: true, certificate: true, nothing: false)
                }
        }
        if route.access != nil { fail([403], &components) }
        if route.shield != nil || !route.quotas.isEmpty { fail([429], &components) }
        if !route.quotas.isEmpty {
            header(APIHeaders.rateLimit)
            header(APIHeaders.rateLimitPolicy)
        }
        if let replay = route.repetition {
            add(
                "header", "Idempotency-Key", required: replay.isRequired,
                .members(["type": .string("string"), "minLength": .integer(1), "maxLength": .integer(255)]),
                "Requests with the same key are the same request: it is done once.")
            header(APIHeaders.replayed)
            fail([400, 409, 422], &components)
        }
        if route.bodySchema != nil { fail([400, 415], &components) }
        if body != nil { fail([400, 413], &components) }
        if route.identity?.mode == .anonymousSession { header(APIHeaders.session) }
        header(APIHeaders.correlation)
    }

    /// With every answer that is no error.
    private mutating func header(_ field: APIHeaders.Field) {
        for i in answers.indices where answers[i].status.hasPrefix("2") { answers[i].answer.headers.append(field) }
    }

    // MARK: - Routes together

    /// Another route of the same path and method: what either takes may come, and what either answers.
    mutating func merge(_ other: APIOperation) {
        routes += other.routes
        flags += other.flags.filter { !flags.contains($0) }
        hosts = hosts.isEmpty || other.hosts.isEmpty ? [] : hosts + other.hosts.filter { !hosts.contains($0) }
        for i in parameters.indices where parameters[i].place != "path" {
            let same = other.parameters.first { $0.place == parameters[i].place && $0.name == parameters[i].name }
            if same?.isRequired != true { parameters[i].isRequired = false }
            if let same, same.members != parameters[i].members {
                parameters[i].members = .members(["schema": .members(["type": .string("string")])])
            }
        }
        for parameter in other.parameters where parameter.place != "path" && !parameters.contains(where: { $0.place == parameter.place && $0.name == parameter.name }) {
            var parameter = parameter
            parameter.isRequired = false
            parameters.append(parameter)
        }
        if var merged = body {
            merged.isRequired = merged.isRequired && other.body?.isRequired == true
            for (type, schema) in other.body?.schemas ?? [] { APIOperation.join(&merged.schemas, type, schema) }
            body = merged
        } else if var merged = other.body {
            merged.isRequired = false
            body = merged
        }
        for (status, answer) in other.answers {
            guard let place = answers.firstIndex(where: { $0.status == status }) else {
                answers.append((status, answer))
                continue
            }
            for (type, schema) in answer.schemas { APIOperation.join(&answers[place].answer.schemas, type, schema) }
            let known = answers[place].answer.headers.map(\.name)
            answers[place].answer.headers += answer.headers.filter { !known.contains($0.name) }
        }
        problems.merge(other.problems) { first, _ in first }
        // Whoever may use one of them may need no credential.
        if let mine = security, let others = other.security {
            security = .array(mine.items + others.items.filter { !mine.items.contains($0) })
        } else if let only = security ?? other.security {
            security = .array([.object([])] + only.items.filter { $0 != .object([]) })
        }
    }

    private static func join(_ schemas: inout [(type: String, schema: JSONValue)], _ type: String, _ schema: JSONValue) {
        guard let place = schemas.firstIndex(where: { $0.type == type }) else { return schemas.append((type, schema)) }
        let known = schemas[place].schema
        let alternatives = known.members.map(\.name) == ["anyOf"] ? known["anyOf"]?.items ?? [] : [known]
        if !alternatives.contains(schema) { schemas[place].schema = .members(["anyOf": .array(alternatives + [schema])]) }
    }

    // MARK: - The document

    var document: JSONValue {
        func content(_ schemas: [(type: String, schema: JSONValue)]) -> JSONValue? {
            schemas.isEmpty ? nil : .object(schemas.map { JSONValue.Member($0.type, .members(["schema": $0.schema])) })
        }
        var responses: [JSONValue.Member] = answers.map { status, answer in
            JSONValue.Member(
                status,
                .members([
                    "description": .string(answer.description), "headers": APIHeaders.object(answer.headers),
                    "content": content(answer.schemas),
                ]))
        }
        for (status, problem) in problems where !answers.contains(where: { $0.status == "\(status)" }) {
            responses.append(JSONValue.Member("\(status)", problem))
        }
        responses.append(JSONValue.Member("default", .reference(APIProblems.place + APIProblems.other)))
        let places = ["path": 0, "query": 1, "header": 2]
        let listed = parameters.sorted { (places[$0.place] ?? 3, $0.name) < (places[$1.place] ?? 3, $1.name) }.map { parameter in
            JSONValue.object(
                [
                    JSONValue.Member("name", .string(parameter.name)), JSONValue.Member("in", .string(parameter.place)),
                    JSONValue.Member("required", .bool(parameter.isRequired)),
                ] + parameter.members.members)
        }
        return .members([
            "operationId": .string("\(routes[0]).\(method)"),
            "parameters": listed.isEmpty ? nil : .array(listed),
            "requestBody": body.map { .members(["required": .bool($0.isRequired), "content": content($0.schemas)]) },
            "responses": .object(responses.sorted { $0.name < $1.name }),
            "security": security,
            "x-nexus-routes": .texts(routes),
            "x-nexus-flags": flags.isEmpty ? nil : .texts(flags),
            "x-nexus-hosts": hosts.isEmpty ? nil : .texts(hosts),
        ])
    }
}

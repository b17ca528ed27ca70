import Contracts
import Exchanges
import Routes

/// What each kind of target takes and answers.
extension APIOperation {
    mutating func addTarget(_ route: RouteDefinition, _ components: inout APIComponents) {
        if let call = route.call, let schema = components.sources.schema, let index = schema.method(path: call.path.utf8Span.span) {
            addCall(call, schema, schema.methods[index], route.match.path.captureNames, &components)
            let sent = body
            for target in route.targets where !target.isCluster { add(target, route, &components) }
            // Either side of a flag takes what the method takes.
            body = sent
        } else {
            for target in route.targets { add(target, route, &components) }
        }
        // What the route itself demands counts for whoever answers.
        if case .file(let path) = route.bodySchema?.source, let schema = components.file(path) {
            body = Body(isRequired: true, schemas: [(APIOperation.json, schema)])
        }
        if answers.isEmpty { answer("2XX", Answer(description: "Done.")) }
    }

    private mutating func add(_ target: TargetDefinition, _ route: RouteDefinition, _ components: inout APIComponents) {
        let captures = route.match.path.captureNames
        switch target {
        case .cluster:
            let takesBody = ["post", "put", "patch"].contains(method)
            if takesBody, body == nil { body = Body(isRequired: false, schemas: [("*/*", .object([]))]) }
            answer("2XX", Answer(description: "What the service behind the gateway answers.", schemas: [("*/*", .object([]))]))
            fail([502, 503, 504], &components)
        case .command(let name, _):
            if let (schema, isRequired) = components.command(name, captures: captures) {
                body = Body(isRequired: isRequired, schemas: [(APIOperation.json, schema)])
            } else {
                body = Body(isRequired: false, schemas: [(APIOperation.json, .members(["type": .string("object")]))])
            }
            addCommandAnswer(isCheckout: APIStates.ofCheckout.contains(name), &components)
        case .anyCommand(let capture):
            let known = components.sources.commands.keys.sorted()
            let schemas = known.compactMap { components.command($0, captures: captures)?.schema }
            let schema: JSONValue = schemas.isEmpty ? .members(["type": .string("object")]) : .members(["anyOf": .array(schemas)])
            body = Body(isRequired: false, schemas: [(APIOperation.json, schema)])
            for i in parameters.indices where parameters[i].name == capture && !known.isEmpty {
                parameters[i].members = .members(["schema": .members(["type": .string("string"), "enum": .texts(known)])])
            }
            addCommandAnswer(isCheckout: false, &components)
            fail([404], &components)
        case .query(let name, _): addQueryAnswer(name, &components)
        case .fixed(let fixed):
            let type = String(String(decoding: fixed.contentType, as: UTF8.self).prefix { $0 != ";" })
            answer(
                "\(fixed.status)",
                Answer(description: "Always the same.", schemas: type.isEmpty || fixed.body.isEmpty ? [] : [(type, .object([]))]))
        case .operation(let operation): addOperationAnswer(operation, &components)
        // Of MQTT, which OpenAPI does not describe.
        case .topics: break
        }
    }

    // MARK: - The event core

    private mutating func addCommandAnswer(isCheckout: Bool, _ components: inout APIComponents) {
        if isCheckout {
            let fields = [APIHeaders.location, APIHeaders.entityTag, APIHeaders.preference]
            let schema = components.add("OrderAccepted", APIStates.orderAccepted)
            answer("202", Answer(description: "It is on disk.", headers: fields, schemas: [(APIOperation.json, schema)]))
            if let (name, order) = APIStates.ofQuery("order.get") {
                answer(
                    "200",
                    Answer(
                        description: "The end, which has come within the time that `Prefer` says.", headers: fields,
                        schemas: [(APIOperation.json, components.add(name, order))]))
            }
            add("header", "Prefer", required: false, .members(["type": .string("string")]), "`wait=N`: the final answer, if it is there within N seconds.")
        } else {
            let schema = components.add("Accepted", APIStates.accepted)
            answer("202", Answer(description: "It is on disk.", headers: [APIHeaders.entityTag], schemas: [(APIOperation.json, schema)]))
        }
        add(
            "header", "If-Match", required: false, .members(["type": .string("string"), "pattern": .string(#"^([*]|"[0-9]+")$"#)]),
            "Only at this version.")
        fail([400, 404, 409, 412, 503], &components)
    }

    private mutating func addQueryAnswer(_ query: String, _ components: inout APIComponents) {
        let schema = APIStates.ofQuery(query).map { components.add($0.name, $0.schema) } ?? .members(["type": .string("object")])
        answer("200", Answer(description: "The state.", headers: [APIHeaders.entityTag], schemas: [(APIOperation.json, schema)]))
        answer("304", Answer(description: "It is still at the version of If-None-Match.", headers: [APIHeaders.entityTag]))
        add("header", "If-None-Match", required: false, .members(["type": .string("string")]))
        add(
            "query", "min-version", required: false, .members(["type": .string("integer"), "minimum": .integer(0)]),
            "Not older than this.")
        fail([400, 404, 503], &components)
    }

    // MARK: - The gateway itself

    private mutating func addOperationAnswer(_ operation: Operation, _ components: inout APIComponents) {
        let status = JSONValue.members([
            "type": .string("object"), "properties": .members(["status": .members(["type": .string("string")])]),
            "required": .texts(["status"]),
        ])
        switch operation {
        case .live: answer("200", Answer(description: "It lives.", schemas: [(APIOperation.json, status)]))
        case .ready:
            answer("200", Answer(description: "It takes traffic.", schemas: [(APIOperation.json, status)]))
            answer("503", Answer(description: "It takes no traffic.", schemas: [(APIOperation.json, status)]))
        case .openAPI:
            let fields = [APIHeaders.documentTag]
            answer("200", Answer(description: "This document.", headers: fields, schemas: [(APIOperation.json, .members(["type": .string("object")]))]))
            answer("304", Answer(description: "It is still the one of If-None-Match.", headers: fields))
            add("header", "If-None-Match", required: false, .members(["type": .string("string")]))
        case .metrics, .routes: answer("200", Answer(description: "A page of text.", schemas: [("text/plain", .members(["type": .string("string")]))]))
        case .upstreams, .sagas, .deadLetters, .flags, .revocations, .mqtt:
            if operation.takesBodies, method == "post" {
                body = Body(isRequired: false, schemas: [(APIOperation.json, .members(["type": .string("object")]))])
            }
            answer("200", Answer(description: "What was asked.", schemas: [(APIOperation.json, .object([]))]))
            fail([400, 404], &components)
        case .grpcHealth, .grpcReflection: answer("200", Answer(description: "A call's answer."))
        }
    }

    // MARK: - Calls

    private mutating func addCall(
        _ call: CallDefinition, _ schema: ProtoSchema, _ method: ProtoMethod, _ captures: [String],
        _ components: inout APIComponents
    ) {
        guard var messages = components.messages else { return }
        var taken: Set<String> = []
        for (i, capture) in captures.enumerated() {
            let field = call.bindings.first { $0.capture == capture }?.field ?? capture
            guard let path = try? schema.path(field, in: method.input) else { continue }
            taken.insert(schema.name(of: path))
            setPathSchema(i, messages.value(of: path))
        }
        var request: JSONValue?
        switch call.body {
        case .none: break
        case .message: request = messages.value(ofMessage: method.input)
        case .field(let field):
            if let path = try? schema.path(field, in: method.input) {
                taken.insert(schema.name(of: path))
                request = messages.value(of: path)
            }
        }
        if call.body != .message {
            for (name, schema) in messages.parameters(ofMessage: method.input, without: taken) { add("query", name, required: false, schema) }
        }
        if let request {
            let type = method.clientStreaming ? "application/x-ndjson" : APIOperation.json
            body = Body(isRequired: false, schemas: [(type, request)])
        }
        var result = messages.value(ofMessage: method.output)
        if let field = call.responseBody, let path = try? schema.path(field, in: method.output) { result = messages.value(of: path) }
        components.messages = messages
        answer(
            "200",
            Answer(
                description: "What the method \(method.name) answers.",
                schemas: [(method.serverStreaming ? "application/x-ndjson" : APIOperation.json, result)]))
        fail([400, 404, 415, 500, 502, 503, 504], &components)
    }

    /// Of the path's i-th parameter.
    private mutating func setPathSchema(_ i: Int, _ schema: JSONValue) {
        let places = parameters.indices.filter { parameters[$0].place == "path" }
        if i < places.count { parameters[places[i]].members = parameters[places[i]].members.setting("schema", schema) }
    }
}

import Exchanges
public import Settings

/// What a message must be, beyond what its contract says: a part of the stage `inspect`.
public struct FieldRule: Sendable, Hashable, CustomStringConvertible {
    /// `a.b.c`
    public var field: String
    /// It is there: a message that was sent, a text or list that is not empty, a number that is not zero.
    public var isRequired = false
    public var minimum: Int64?
    public var maximum: Int64?

    public var description: String {
        var parts: [String] = isRequired ? ["required"] : []
        if let minimum { parts.append("at least \(minimum)") }
        if let maximum { parts.append("at most \(maximum)") }
        return "\(field) \(parts.joined(separator: ", "))"
    }
}

/// The JSON Schema that a body must fit: a part of the stage `inspect`.
public struct BodySchema: Sendable, Hashable, CustomStringConvertible {
    public enum Source: Sendable, Hashable {
        case file(String)
        /// That of the command which the route submits.
        case command
    }
    public var source: Source
    public var position: SourcePosition

    public var description: String {
        switch source {
        case .file(let path): "JSON as in \(path)"
        case .command: "JSON as the command's schema has it"
        }
    }
}

/// A gRPC message must be what its contract says, down to the last byte.
public struct MessageRule: Sendable, Hashable, CustomStringConvertible {
    /// Fields and enum values that the contract does not know are refused.
    public var refusesUnknown = false

    public var description: String { "messages as in their contract" + (refusesUnknown ? ", nothing unknown" : "") }
}

extension RouteReader {
    /// Bytes of a JSON body that is held to a schema.
    static let inspectLimit: UInt64 = 16 << 20

    /// `stages: { inspect: { address: required, item.quantity: { minimum: 1 } } }` of messages,
    /// `{ message: true, unknown: refuse }` of a gRPC route, `{ schema: file.json }` of JSON bodies.
    func readInspection(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let section = stages.fields("inspect", "the stage 'inspect'") else { return }
        for entry in section.named() {
            // A message may have fields of these names; their rules are never other words than `required`.
            switch (entry.key, entry.value.shape) {
            case ("schema", .scalar(let text, _)) where text != "required": readSchema(entry, text, &route)
            case ("message", .scalar(let text, _)) where text != "required":
                if entry.value.bool("message", diagnostics) == true { route.messageRule = route.messageRule ?? MessageRule() }
            case ("unknown", .scalar(let text, _)) where text != "required":
                if entry.value.choice("unknown", ["accept", "refuse"], diagnostics) == "refuse" {
                    route.messageRule = MessageRule(refusesUnknown: true)
                }
            default: readRule(entry, &route)
            }
        }
        let place = stages.position(of: "inspect")
        if route.inspection.isEmpty, route.bodySchema == nil, route.messageRule == nil {
            diagnostics.error(at: section.position, "the stage 'inspect' looks at no field")
        }
        if route.inspection.count > 64 { diagnostics.error(at: section.position, "a route inspects at most 64 fields") }
        if route.messageRule != nil, !route.match.grpc {
            diagnostics.error(at: place, "only a gRPC route has messages as they are sent; JSON is held to its method's message anyway")
        }
        if let schema = route.bodySchema { checkSchema(schema, &route) }
        guard !route.inspection.isEmpty || route.messageRule != nil else { return }
        guard route.match.grpc || route.call != nil else {
            if route.inspection.isEmpty { return }
            return diagnostics.error(
                at: place, "only messages are inspected by field: of a gRPC route, or one with 'transcode'; JSON has 'schema'")
        }
        // A stream of messages has no whole body to look at.
        let method = route.call?.method ?? String(route.match.path.text.dropFirst())
        if let shape = shape(of: method, at: place), shape.clientStreams {
            diagnostics.error(at: place, "\(method) takes a stream of messages, which is not inspected")
        }
        if route.match.grpc { route.collect = true }
    }

    private func readRule(_ entry: Value.Entry, _ route: inout RouteDefinition) {
        var rule = FieldRule(field: entry.key)
        if case .scalar("required", _) = entry.value.shape {
            rule.isRequired = true
        } else {
            let fields = Fields(entry.value, "the rule of a field", diagnostics)
            rule.isRequired = fields.bool("required") ?? false
            rule.minimum = fields.integer("minimum", in: Int.min...Int.max).map { Int64($0) }
            rule.maximum = fields.integer("maximum", in: Int.min...Int.max).map { Int64($0) }
            fields.finish()
            if !rule.isRequired, rule.minimum == nil, rule.maximum == nil {
                diagnostics.error(at: entry.position, "the rule of '\(entry.key)' wants nothing: required, minimum or maximum")
            }
            if let minimum = rule.minimum, let maximum = rule.maximum, minimum > maximum {
                diagnostics.error(at: entry.position, "no number is at least \(minimum) and at most \(maximum)")
            }
        }
        route.inspection.append(rule)
    }

    private func readSchema(_ entry: Value.Entry, _ text: String, _ route: inout RouteDefinition) {
        guard !entry.value.isNull, !text.isEmpty else {
            return diagnostics.error(at: entry.position, "'schema' names a file, or says 'command'")
        }
        route.bodySchema = BodySchema(source: text == "command" ? .command : .file(text), position: entry.value.position)
    }

    /// Has the route JSON bodies, each of them whole?
    private func checkSchema(_ schema: BodySchema, _ route: inout RouteDefinition) {
        if route.match.grpc {
            return diagnostics.error(
                at: schema.position, "a schema is of JSON, and this route takes messages: inspect their fields, or 'message: true'")
        }
        if !route.methods.isEmpty, route.methods.allSatisfy({ ["GET", "HEAD", "OPTIONS", "TRACE"].contains($0) }) {
            diagnostics.error(at: schema.position, "\(route.methods.joined(separator: ", ")) has no body that could fit a schema")
        }
        if let call = route.call {
            if vocabulary.methods[call.method]?.clientStreams == true {
                diagnostics.error(at: schema.position, "\(call.method) takes a stream of messages, which is not inspected")
            } else if call.body == .none {
                diagnostics.error(at: schema.position, "the call takes nothing from a body that could fit a schema")
            }
        }
        let takesCommands = route.targets.contains { target in
            switch target {
            case .command, .anyCommand: true
            case .cluster, .query, .operation, .fixed, .topics: false
            }
        }
        if schema.source == .command, !takesCommands {
            diagnostics.error(at: schema.position, "the route submits no command whose schema that could be: name a file")
        }
        for target in route.targets {
            switch target {
            case .query, .operation, .fixed: diagnostics.error(at: schema.position, "\(target) looks at no body")
            case .command, .anyCommand, .cluster, .topics: continue
            }
        }
        route.collect = true
    }

    /// Once the body's limit is known.
    func checkInspection(_ fields: Fields, _ route: RouteDefinition) {
        guard route.bodySchema != nil, route.bodyLimit > RouteReader.inspectLimit else { return }
        diagnostics.error(
            at: fields.position(of: "body_limit"),
            "a body that is held to a schema may have at most \(Quantity.text(bytes: RouteReader.inspectLimit))")
    }
}

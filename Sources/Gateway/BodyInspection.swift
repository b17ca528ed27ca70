import Contracts
import EventCore
import Exchanges
import Pipeline
import Policies
import Routes

/// What a route's stage `inspect` wants of JSON bodies.
struct BodyInspection: Sendable {
    private enum Choice: Sendable {
        case one(JSONSchema)
        /// By the number of the command that a capture names.
        case named(capture: Int, [JSONSchema?])
    }

    private let choice: Choice
    /// A body of nothing stands for `{}`: the path may say it all.
    private let mayBeEmpty: Bool

    /// Violations that are told of.
    static let most = 16

    /// Nil when the route wants nothing of bodies, or when its schema is of no use, which has been reported.
    init?(_ route: RouteDefinition, _ schemas: borrowing BodySchemas) {
        guard let source = route.bodySchema?.source else { return nil }
        let captures = route.match.path.captureNames
        /// What the path gives need not be given again.
        func schema(of command: Int) -> JSONSchema? {
            schemas.commands[command]?.schema.without(
                required: Registry.parameters(ofCommand: command).filter { route.givenNames.contains($0) })
        }
        switch source {
        case .file(let path):
            guard let entry = schemas.files[path] else { return nil }
            choice = .one(entry.schema)
            mayBeEmpty = false
        case .command:
            mayBeEmpty = true
            for target in route.targets {
                switch target {
                case .command(_, let number):
                    guard let schema = schema(of: Int(number)) else { return nil }
                    choice = .one(schema)
                    return
                case .anyCommand(let capture):
                    guard let place = captures.firstIndex(of: capture) else { return nil }
                    choice = .named(capture: place, Registry.commands.indices.map { schema(of: $0) })
                    return
                case .cluster, .query, .operation, .fixed, .topics: continue
                }
            }
            return nil
        }
    }

    fileprivate func schema(for exchange: Exchange, _ worker: Worker) -> JSONSchema? {
        switch choice {
        case .one(let schema): schema
        case .named(let capture, let schemas):
            Registry.command(named: String(decoding: worker.captured(capture, exchange), as: UTF8.self)).flatMap { schemas[$0] }
        }
    }

    /// Everything that is wrong with the body, within bounds.
    fileprivate func violations(_ schema: JSONSchema, in body: Span<UInt8>) -> [Invalid.Field] {
        if body.isEmpty, !mayBeEmpty { return [Invalid.Field("", "a body is required")] }
        let nothing = Array("{}".utf8)
        return check(schema, body.isEmpty ? nothing.span : body)
    }

    private func check(_ schema: JSONSchema, _ body: Span<UInt8>) -> [Invalid.Field] {
        do throws(JSONError) {
            let tape = try JSONTape(body)
            if schema.accepts(tape, body) { return [] }
            return schema.violations(tape, body, most: BodyInspection.most).map { Invalid.Field($0.pointer, $0.error) }
        } catch {
            return [Invalid.Field(error.pointer, "\(error.reason.text)")]
        }
    }
}

extension Worker {
    /// A JSON body against the schema of its route.
    func inspect(_ exchange: Exchange, _ bodies: BodyInspection) -> Verdict {
        inspected = []
        guard let schema = bodies.schema(for: exchange, self) else {
            // Whoever takes commands says that there is no such one.
            return .proceed
        }
        guard saysJSON(exchange) else {
            return .answer(Outcome(.unsupported, status: 415, "this route takes JSON, uncompressed"))
        }
        let body = exchange.body ?? Buffer(capacity: 1)
        let violations = body.withReadable { bodies.violations(schema, in: $0) }
        inspected = violations
        return violations.isEmpty ? .proceed : .answer(.invalid)
    }

    /// `application/json`, anything `+json`, or nothing said; and no encoding that the schema could not see through.
    private func saysJSON(_ exchange: Exchange) -> Bool {
        guard let text = exchange.text else { return false }
        return text.withReadable { text in
            for i in exchange.head.fields.indices {
                let field = exchange.head.fields[i]
                switch field.name {
                case .contentType where !text.extracting(field.value.range).isJSONType: return false
                case .other where text.extracting(field.nameText.range).equalsIgnoringCase("content-encoding"):
                    if !text.extracting(field.value.range).equalsIgnoringCase("identity") { return false }
                default: continue
                }
            }
            return true
        }
    }
}

extension Span<UInt8> {
    /// A media type (RFC 9110 section 8.3.1) whose representations are JSON (RFC 6839, 3.1).
    fileprivate var isJSONType: Bool {
        var end = 0
        while end < count, self[end] != UInt8(ascii: ";"), self[end] != 0x20, self[end] != 0x09 { end += 1 }
        let type = String(decoding: extracting(0..<end).bytes as [UInt8], as: UTF8.self).lowercased()
        return type == "application/json" || (type.hasSuffix("+json") && type.contains("/"))
    }
}

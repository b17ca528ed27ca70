import Exchanges
import Settings

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

extension RouteReader {
    /// `stages: { inspect: { address: required, item.quantity: { minimum: 1 } } }`
    func readInspection(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let section = stages.fields("inspect", "the stage 'inspect'") else { return }
        for entry in section.named() {
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
        if route.inspection.isEmpty {
            diagnostics.error(at: section.position, "the stage 'inspect' looks at no field")
        }
        if route.inspection.count > 64 { diagnostics.error(at: section.position, "a route inspects at most 64 fields") }
        guard route.match.grpc || route.call != nil else {
            return diagnostics.error(
                at: stages.position(of: "inspect"), "only messages are inspected: of a gRPC route, or one with 'transcode'")
        }
        // A stream of messages has no whole body to look at.
        let method = route.call?.method ?? String(route.match.path.text.dropFirst())
        if let shape = shape(of: method, at: stages.position(of: "inspect")), shape.clientStreams {
            diagnostics.error(at: stages.position(of: "inspect"), "\(method) takes a stream of messages, which is not inspected")
        }
        if route.match.grpc { route.collect = true }
    }
}

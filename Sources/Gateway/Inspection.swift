import Contracts
import EventCore
import Exchanges
import Pipeline
import Routes
import Settings

/// What a route's stage `inspect` wants of a message, with every name resolved.
struct Inspection: Sendable {
    private struct Field: Sendable {
        var path: ProtoFieldPath
        /// As a JSON Pointer.
        var pointer: String
        var rule: FieldRule
        /// A number; texts and messages have a length instead.
        var isNumber: Bool
    }

    private let schema: ProtoSchema
    /// In the schema.
    private let type: Int
    private let fields: [Field]
    /// Nil = whatever can be passed on will do.
    private let whole: MessageCheck?

    /// Nil when the route inspects nothing.
    /// - Parameter method: index in the schema, if it is there.
    init?(_ route: RouteDefinition, _ method: Int?, _ schema: ProtoSchema?, _ diagnostics: Diagnostics) {
        guard !route.inspection.isEmpty || route.messageRule != nil, let method, let schema else { return nil }
        self.schema = schema
        let type = schema.methods[method].input
        self.type = type
        whole = route.messageRule.map { MessageCheck(refusesUnknown: $0.refusesUnknown) }
        fields = route.inspection.compactMap { rule in
            do throws(ProtoJSONError) {
                let path = try schema.path(rule.field, in: type)
                let isNumber = schema.isInteger(path)
                if !isNumber, rule.minimum != nil || rule.maximum != nil {
                    diagnostics.error(at: route.position, "route '\(route.name)' bounds '\(rule.field)', which is no whole number")
                }
                let parts = schema.name(of: path).split(separator: ".")
                return Field(
                    path: path, pointer: "/" + parts.joined(separator: "/"), rule: rule, isNumber: isNumber)
            } catch {
                diagnostics.error(
                    at: route.position,
                    "route '\(route.name)' inspects '\(rule.field)': \(schema.name(ofMessage: type)): \(error.text)")
                return nil
            }
        }
    }

    /// Everything that is wrong with the message.
    func violations(in message: Span<UInt8>) -> [Invalid.Field] {
        if let fault = whole?.fault(in: message, type: type, schema) { return [Invalid.Field(fault.pointer, fault.text)] }
        var found: [Invalid.Field] = []
        for field in fields {
            if let wrong = violation(of: field, in: message) { found.append(Invalid.Field(field.pointer, wrong)) }
        }
        return found
    }

    private func violation(of field: Field, in message: Span<UInt8>) -> String? {
        guard field.isNumber else {
            return schema.holds(field.path, in: message) ? nil : "is required"
        }
        let found = schema.integer(field.path, of: message)
        if found == nil, !schema.canRead(field.path, in: message) { return "cannot be read" }
        let value = found ?? 0
        if field.rule.isRequired, value == 0 { return "is required" }
        if let minimum = field.rule.minimum, value < minimum { return "must be at least \(minimum)" }
        if let maximum = field.rule.maximum, value > maximum { return "must be at most \(maximum)" }
        return nil
    }
}

extension Worker {
    /// The stage `inspect`: the one message of a call, or a JSON body.
    func inspect(_ exchange: Exchange) -> Verdict {
        let contracts = era(of: exchange).contracts
        if let bodies = contracts.bodies[Int(exchange.route)] { return inspect(exchange, bodies) }
        guard let inspection = contracts.inspections[Int(exchange.route)] else {
            return .answer(Outcome(.internalError, "the contract of this route is not there"))
        }
        switch withMessage(of: exchange, { inspection.violations(in: $0) }) {
        case .failure(let refusal):
            inspected = refusal.fields
            return .answer(refusal.outcome)
        case .success(let violations):
            inspected = violations
            return violations.isEmpty ? .proceed : .answer(.invalid)
        }
    }
}

extension Outcome {
    /// The problem document or status details say what is wrong.
    static var invalid: Outcome { Outcome(.validationError, "the request is not valid") }
}

public import EventCore
public import Settings

/// The sagas that definition files describe, by name.
public struct SagaDefinitions: Sendable {
    /// In one installation.
    public static let most = 100

    public let all: [SagaDefinition]

    public init(_ all: [SagaDefinition]) { self.all = all }

    public subscript(_ name: String) -> SagaDefinition? { all.first { $0.name == name } }

    /// Reads the files at `paths`.
    /// - Parameter operations: the names that steps may give.
    /// - Returns: what could be read; whatever is wrong is in `diagnostics`, with its place.
    public static func read(paths: [String], operations: [String], _ diagnostics: Diagnostics) -> SagaDefinitions {
        var found: [(SagaDefinition, SourcePosition)] = []
        for path in paths.prefix(most) {
            guard let document = Document.read(path: path, diagnostics),
                let definition = SagaDefinition.read(document, operations: operations, diagnostics)
            else { continue }
            if let first = found.first(where: { $0.0.name == definition.name }) {
                diagnostics.error(at: document.position, "a saga is called '\(definition.name)' already, at \(first.1)")
            }
            found.append((definition, document.position))
        }
        if paths.count > most, let path = paths.last {
            diagnostics.error(at: SourcePosition(file: path), "there may be \(most) definitions of sagas at most")
        }
        let prefixes = found.map(\.0.prefix)
        for (definition, position) in found {
            guard let stops = definition.stops, !prefixes.contains(stops) else { continue }
            diagnostics.error(
                at: position, "'stops' names no prefix of a saga: '\(stops)'" + Spelling.hint(stops, among: prefixes))
        }
        return SagaDefinitions(found.map(\.0))
    }
}

extension SagaDefinition {
    /// Longest time that a step, and a delay between its attempts, may have.
    private static let timeouts: ClosedRange<UInt32> = 1...600_000
    private static let delays: ClosedRange<UInt32> = 1...60_000
    /// Longest wait for a service that is away.
    private static let parks: ClosedRange<UInt32> = 0...604_800_000

    /// From a definition file; nil after reporting why not.
    public static func read(_ document: Value, operations: [String], _ diagnostics: Diagnostics) -> SagaDefinition? {
        let before = diagnostics.errors
        let fields = Fields(document, "a saga", diagnostics)
        let name = fields.label("name")
        if name == nil, !fields.has("name") { diagnostics.error(at: fields.position, "a saga needs a name") }
        let prefix = fields.label("prefix")
        let timeout = fields.milliseconds("timeout", in: timeouts) ?? 30_000
        var groups: [[StepDefinition]] = []
        for item in fields.list("steps") ?? [] { groups.append(group(item, timeout, operations, diagnostics)) }
        if groups.isEmpty { diagnostics.error(at: fields.position(of: "steps"), "a saga needs steps") }
        let completed = fields.choice("completed", Endings.completed)
        let compensated = fields.choice("compensated", Endings.compensated)
        let stops = fields.label("stops")
        fields.finish()

        let steps = groups.joined()
        if steps.count > mostSteps {
            diagnostics.error(at: fields.position(of: "steps"), "a saga has \(mostSteps) steps at most, not \(steps.count)")
        }
        for (i, step) in steps.enumerated() where steps.prefix(i).contains(where: { $0.name == step.name }) {
            diagnostics.error(at: fields.position(of: "steps"), "two steps are called '\(step.name)'")
        }
        guard let name, diagnostics.errors == before else { return nil }
        return SagaDefinition(
            name: name, prefix: prefix, groups: groups, completed: completed, compensated: compensated, stops: stops)
    }

    /// A step, or several that run at the same time.
    private static func group(
        _ value: Value, _ timeout: UInt32, _ operations: [String], _ diagnostics: Diagnostics
    ) -> [StepDefinition] {
        guard case .map(let entries) = value.shape, entries.contains(where: { $0.key == "parallel" }) else {
            return step(value, timeout, operations, diagnostics).map { [$0] } ?? []
        }
        let fields = Fields(value, "steps at the same time", diagnostics)
        let items = fields.list("parallel") ?? []
        if items.isEmpty { diagnostics.error(at: fields.position(of: "parallel"), "'parallel' needs steps") }
        let steps = items.compactMap { step($0, timeout, operations, diagnostics) }
        fields.finish()
        return steps
    }

    private static func step(
        _ value: Value, _ timeout: UInt32, _ operations: [String], _ diagnostics: Diagnostics
    ) -> StepDefinition? {
        let before = diagnostics.errors
        let fields = Fields(value, "a step", diagnostics)
        let name = fields.label("name")
        for key in ["name", "operation"] where !fields.has(key) {
            diagnostics.error(at: fields.position, "a step needs '\(key)'")
        }
        if let name, ["end", "hand-over"].contains(name) || name.hasPrefix("undo-") {
            diagnostics.error(at: fields.position(of: "name"), "'\(name)' is what something else is called")
        }
        let operation = fields.operation("operation", operations)
        let compensation = fields.operation("compensation", operations)
        let timeoutMS = fields.milliseconds("timeout", in: timeouts) ?? timeout
        let onFailure = fields.choice("on_failure", OnFailure.allCases.map(\.rawValue)).flatMap { OnFailure(rawValue: $0) }
        let attempts = fields.integer("attempts", in: 1...20) ?? 3
        let delay = fields.milliseconds("delay", in: delays) ?? 1000
        let park = fields.milliseconds("park", in: parks) ?? 0
        fields.finish()
        guard let name, let operation, diagnostics.errors == before else { return nil }
        return StepDefinition(
            name: name, operation: operation, compensation: compensation, timeoutMS: timeoutMS,
            onFailure: onFailure ?? .compensate, attempts: attempts, delayMS: delay, parkMS: UInt64(park))
    }
}

extension Fields {
    /// A name that can stand in ids, keys and labels.
    fileprivate func label(_ key: String) -> String? {
        guard let text = string(key) else { return nil }
        let isLegal =
            !text.isEmpty && text.utf8.count <= 48
            && text.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 }
        guard isLegal else {
            diagnostics.error(at: position(of: key), "'\(key)' must be 1 to 48 small letters, digits and dashes, not '\(text)'")
            return nil
        }
        return text
    }

    fileprivate func operation(_ key: String, _ known: [String]) -> String? {
        guard let value = value(key), let text = value.string(key, diagnostics) else { return nil }
        guard known.contains(text) else {
            diagnostics.error(at: value.position, "there is no operation '\(text)'" + Spelling.hint(text, among: known))
            return nil
        }
        return text
    }
}

import Exchanges
import Settings

extension RouteReader {
    /// `stages: { steer: { by: [principal, { field: user_id }] } }`; with `weight` where no flag file has one.
    func readSteering(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let section = stages.fields("steer", "the stage 'steer'") else { return }
        let weight = section.value("weight")
        let keys = readSteeringKeys(section, route)
        let affinity = readAffinity(section, keys)
        section.finish()
        guard let flag = route.flag else {
            return diagnostics.error(at: stages.position(of: "steer"), "the stage 'steer' needs a flag: what would it ask?")
        }
        if keys.contains(where: { if case .field = $0 { true } else { false } }) { route.collect = true }
        if let known = flags?[flag] {
            if let weight {
                diagnostics.error(at: weight.position, "the weight of '\(flag)' is at \(known.position): leave it out here")
            }
            if !section.has("by") {
                diagnostics.error(at: section.position, "'steer' needs 'by': whose side is it that '\(flag)' is asked for?")
            }
            route.steering = SteeringDefinition(weight: known.weight, keys: keys, affinity: affinity, place: "\(known.position)")
            return
        }
        guard let weight else {
            // Of a flag file that could not be read all is said; what it lacks, `checkFlag` says.
            if configuration.flags == nil {
                diagnostics.error(
                    at: section.position, "the stage 'steer' needs a 'weight' in percent, or a flag file that has it (see 'flags' of the configuration)")
            }
            return
        }
        guard let share = weight.basisPoints("weight", diagnostics) else { return }
        if share > 0, share < 10_000, !section.has("by") {
            diagnostics.error(
                at: section.position, "a part of the requests needs 'by': whoever is on one side has to stay there")
        }
        route.steering = SteeringDefinition(weight: share, keys: keys, affinity: affinity)
    }

    /// `affinity: start | follow | finish`
    private func readAffinity(_ section: Fields, _ keys: [SteeringKey]) -> AffinityRole {
        let words: [(String, AffinityRole)] = [("start", .start), ("follow", .follow), ("finish", .finish)]
        guard let word = section.choice("affinity", words.map(\.0)) else { return .none }
        if keys.isEmpty, !section.has("by") {
            diagnostics.error(at: section.position(of: "affinity"), "'affinity' needs 'by': whose is it that stays on one side?")
        }
        return words.first { $0.0 == word }?.1 ?? .none
    }

    /// What only shows once the stages have been read: a flag that nobody asks, or that nobody knows.
    func checkFlag(_ fields: Fields, _ route: RouteDefinition) {
        guard let flag = route.flag, let flags else { return }
        let place = fields.position(of: "flag")
        let isSteered = fields.fields("stages", "the stages of a route")?.has("steer") ?? false
        if flags[flag] != nil {
            if !isSteered { diagnostics.error(at: place, "nothing asks the flag '\(flag)': the route needs the stage 'steer'") }
        } else if route.steering == nil {
            diagnostics.error(
                at: place, "unknown flag '\(flag)': \(flags.path) does not have it" + Spelling.hint(flag, among: flags.flags.map(\.name)))
        }
    }

    private func readSteeringKeys(_ section: Fields, _ route: RouteDefinition) -> [SteeringKey] {
        guard let values = section.list("by") else { return [] }
        if values.isEmpty { diagnostics.error(at: section.position(of: "by"), "'by' is empty: whom would a request be counted for?") }
        let keys = values.compactMap { readSteeringKey($0, route) }
        if let twice = keys.indices.first(where: { keys[..<$0].contains(keys[$0]) }) {
            diagnostics.error(at: section.position(of: "by"), "'by' has \(keys[twice]) twice")
        }
        return keys
    }

    private func readSteeringKey(_ value: Value, _ route: RouteDefinition) -> SteeringKey? {
        if case .scalar(let text, _) = value.shape, !value.isNull {
            guard text == "principal" else {
                diagnostics.error(at: value.position, "'by' is principal, or exactly one of header, parameter, field, not '\(text)'")
                return nil
            }
            if route.identity == nil {
                diagnostics.error(at: value.position, "'by: principal' needs the stage 'identify': who would that be?")
            }
            return .principal
        }
        let fields = Fields(value, "what 'steer' goes by", diagnostics)
        let header = fields.value("header")
        let parameter = fields.value("parameter")
        let field = fields.value("field")
        fields.finish()
        switch (header, parameter, field) {
        case (let value?, nil, nil):
            guard let name = value.string("header", diagnostics) else { return nil }
            guard HeaderRules.isName(name.lowercased()) else {
                diagnostics.error(at: value.position, "'\(name)' is not a header name")
                return nil
            }
            return .header(name.lowercased())
        case (nil, let value?, nil):
            guard let name = value.string("parameter", diagnostics) else { return nil }
            let path = route.match.path
            guard let place = path.captureNames.firstIndex(of: name) else {
                diagnostics.error(
                    at: value.position, "the path \(path) has no parameter '\(name)'"
                        + Spelling.hint(name, among: path.captureNames))
                return nil
            }
            return .capture(name, place)
        case (nil, nil, let value?): return value.string("field", diagnostics).map { .field($0) }
        default:
            diagnostics.error(at: fields.position, "'by' is exactly one of header, parameter, field")
            return nil
        }
    }
}

import Exchanges
import Settings

extension RouteReader {
    /// `transcode`: requests of plain HTTP become calls of a gRPC method. Its fields are looked at where the
    /// contracts are known (`Calls` in Gateway).
    func readTranscode(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let section = fields.fields("transcode", "the transcoding of a route") else { return }
        defer { section.finish() }
        let body = section.string("body")
        let responseBody = section.string("response_body")
        let bindings = readBindings(section, route.match.path)
        let ignoresUnknown = section.bool("ignore_unknown") ?? false
        let writesDefaults = section.bool("write_defaults") ?? false
        guard let value = section.value("method") else {
            return diagnostics.error(at: section.position, "a transcoding needs the gRPC 'method' that is called")
        }
        guard let method = value.string("method", diagnostics), let shape = shape(of: method, at: value.position) else {
            return
        }
        var call = CallDefinition(
            method: method, position: section.position, body: route.bodyOfCall(body), responseBody: responseBody,
            bindings: bindings)
        call.ignoresUnknown = ignoresUnknown
        call.writesDefaults = writesDefaults
        if call.body != .message, shape.clientStreams {
            diagnostics.error(
                at: section.position, "\(method) takes a stream of messages, so the whole body must be its messages: body: \"*\"")
        }
        route.call = call
        // One message is made of the whole body; a stream's messages are made as they come.
        if call.body != .none, !shape.clientStreams { route.collect = true }
    }

    private func readBindings(_ section: Fields, _ path: PathTemplate) -> [CallDefinition.Binding] {
        guard let map = section.fields("bind", "the bindings of a transcoding") else { return [] }
        return map.named().compactMap { entry in
            guard let field = entry.value.string(entry.key, diagnostics) else { return nil }
            guard path.captureNames.contains(entry.key) else {
                diagnostics.error(
                    at: entry.position, "the path \(path) has no parameter '\(entry.key)'"
                        + Spelling.hint(entry.key, among: path.captureNames))
                return nil
            }
            return CallDefinition.Binding(capture: entry.key, field: field)
        }
    }

    /// The kind of a method that the contracts know.
    func shape(of method: String, at position: SourcePosition) -> MethodShape? {
        if let shape = vocabulary.methods[method] { return shape }
        if vocabulary.methods.isEmpty {
            diagnostics.error(at: position, "there are no contracts to look '\(method)' up in: see 'contracts' of the configuration")
        } else {
            diagnostics.error(
                at: position, "unknown method '\(method)'" + Spelling.hint(method, among: vocabulary.methods.keys.sorted()))
        }
        return nil
    }

    /// A route whose gRPC calls the event core answers: which command or query stands for which method can only
    /// be said of one method, and its messages must be known.
    func checkFacade(_ fields: Fields, _ route: RouteDefinition) {
        let place = fields.position(of: "match")
        for target in route.targets {
            switch target {
            case .cluster: continue
            case .operation(let operation):
                if !operation.answersCalls { diagnostics.error(at: place, "\(target) does not answer gRPC calls") }
            case .fixed: diagnostics.error(at: place, "a gRPC route cannot have the answer \(target): it is no message")
            case .anyCommand: diagnostics.error(at: place, "\(target) is named by a path, and calls have that of their method")
            case .command, .query:
                guard route.match.path.captureNames.isEmpty else {
                    diagnostics.error(at: place, "\(target) answers one method, not all of a service")
                    continue
                }
                let method = String(route.match.path.text.dropFirst())
                guard let shape = shape(of: method, at: place) else { continue }
                if shape.clientStreams || shape.serverStreams {
                    diagnostics.error(at: place, "\(target) answers single calls, and \(method) streams")
                }
            }
        }
    }

    /// A stream of messages goes on as it comes: who waits for all of it waits for the end of the call.
    func checkStreamedCall(_ fields: Fields, _ route: RouteDefinition) {
        let method = route.call?.method ?? (route.match.grpc ? String(route.match.path.text.dropFirst()) : "")
        guard vocabulary.methods[method]?.clientStreams == true else { return }
        let place = fields.position(of: route.call == nil ? "match" : "transcode")
        if route.call != nil, route.collect {
            diagnostics.error(at: place, "\(method) takes a stream of messages, which is not collected")
        } else if case .field = route.steering?.key {
            diagnostics.error(at: place, "\(method) takes a stream of messages: it has no field to steer by")
        }
    }

    /// `grpc_status: { UPSTREAM_UNAVAILABLE: FAILED_PRECONDITION }`
    func readStatuses(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let map = fields.fields("grpc_status", "the gRPC statuses of a route") else { return }
        let names = Code.allCases.map { "\($0.name)" }
        for entry in map.named() {
            guard let status = entry.value.string(entry.key, diagnostics) else { continue }
            guard let place = names.firstIndex(of: entry.key) else {
                diagnostics.error(
                    at: entry.position, "unknown ending '\(entry.key)'" + Spelling.hint(entry.key, among: names))
                continue
            }
            route.grpcStatuses.append(StatusName(code: Code.allCases[place], status: status, position: entry.value.position))
        }
        let isCore = route.targets.contains { target in
            switch target {
            case .command, .query: true
            case .cluster, .anyCommand, .operation, .fixed: false
            }
        }
        if !route.match.grpc || !isCore {
            diagnostics.error(
                at: fields.position(of: "grpc_status"), "'grpc_status' has no effect: no call of the route is answered by the event core")
        }
    }

    /// `stages: { steer: { weight: 25, by: { field: user_id } } }`
    func readSteering(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let section = stages.fields("steer", "the stage 'steer'") else { return }
        let weight = section.value("weight")
        let key = section.fields("by", "what 'steer' goes by").flatMap { readSteeringKey($0, route.match.path) }
        section.finish()
        if route.flag == nil {
            diagnostics.error(at: stages.position(of: "steer"), "the stage 'steer' needs a flag: what would it ask?")
        }
        guard let weight else {
            return diagnostics.error(at: section.position, "the stage 'steer' needs a 'weight' in percent")
        }
        guard case .scalar(let text, plain: true) = weight.shape, let share = Self.basisPoints(text) else {
            return diagnostics.error(
                at: weight.position, "'weight' must be a percentage from 0 to 100 with at most two decimals, not \(weight.summary)")
        }
        if share > 0, share < 10_000, key == nil, !section.has("by") {
            diagnostics.error(
                at: section.position, "a part of the requests needs 'by': whoever is on one side has to stay there")
        }
        if case .field = key { route.collect = true }
        route.steering = SteeringDefinition(weight: share, key: key)
    }

    private func readSteeringKey(_ fields: Fields, _ path: PathTemplate) -> SteeringKey? {
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

    /// `25` or `12.5` percent in 1/10,000.
    static func basisPoints(_ text: String) -> UInt16? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let digits = parts.count == 2 ? parts[1] : "0"
        guard parts.count <= 2, (1...3).contains(parts[0].utf8.count), (1...2).contains(digits.utf8.count),
            (parts[0] + digits).utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let whole = UInt16(parts[0]),
            let fraction = UInt16(digits)
        else { return nil }
        let share = whole * 100 + (digits.utf8.count == 1 ? fraction * 10 : fraction)
        return share <= 10_000 ? share : nil
    }
}

extension RouteDefinition {
    /// What a transcoding takes from the body when it says `body`, or nothing of it.
    fileprivate func bodyOfCall(_ text: String?) -> CallDefinition.Body {
        switch text {
        case nil: methods.contains { ["POST", "PUT", "PATCH"].contains($0) } ? .message : .none
        case "*": .message
        case "": .none
        case let field?: .field(field)
        }
    }
}

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
            case .topics: diagnostics.error(at: place, "\(target) take messages of MQTT, and no calls")
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
        } else if route.steering?.keys.contains(where: { if case .field = $0 { true } else { false } }) == true {
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
            case .cluster, .anyCommand, .operation, .fixed, .topics: false
            }
        }
        if !route.match.grpc || !isCore {
            diagnostics.error(
                at: fields.position(of: "grpc_status"), "'grpc_status' has no effect: no call of the route is answered by the event core")
        }
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

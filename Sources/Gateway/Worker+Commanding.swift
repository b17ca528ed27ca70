import Contracts
import EventCore
import Exchanges
import Pipeline
import Routes
import Telemetry

/// Exchanges whose target is the event core: decode here, decide there, answer when it is durable.
extension Worker {
    func command(_ index: Int, _ exchange: Exchange, era: Era) {
        if let refusal = unknownParameter(exchange, era) { return refuse(exchange, refusal) }
        if let facade = facade(of: exchange) {
            switch withMessage(of: exchange, { decode(command: index, $0, by: facade) }) {
            case .success(let result): execute(result, exchange)
            case .failure(let refusal): refuse(exchange, refusal)
            }
        } else {
            execute(decode(command: index, exchange, era), exchange)
        }
    }

    /// The path says which command it is.
    func anyCommand(_ place: Int, _ exchange: Exchange, era: Era) {
        let type = captured(place, exchange)
        guard let index = Registry.command(named: String(decoding: type, as: UTF8.self)) else {
            let name = era.captureNames[Int(exchange.route)][place]
            return refuse(exchange, Refusal(.notFound, "there is no such command", field: "/" + name))
        }
        if let refusal = unknownParameter(exchange, era) { return refuse(exchange, refusal) }
        execute(decode(command: index, exchange, era), exchange)
    }

    /// The command that the exchange would be on the core's side of its flag; nil when it has none, or would be refused there.
    func request(of exchange: Exchange, _ era: Era) -> Request? {
        let index: Int?
        switch exchange.rule.command {
        case .command(let command): index = Int(command)
        case .anyCommand(let place): index = Registry.command(named: String(decoding: captured(Int(place), exchange), as: UTF8.self))
        case .upstream, .query, .fixed, .operation, .topics, nil: index = nil
        }
        guard let index else { return nil }
        guard let facade = facade(of: exchange) else { return try? decode(command: index, exchange, era).get() }
        return try? withMessage(of: exchange) { decode(command: index, $0, by: facade) }.get().get()
    }

    private func decode(command index: Int, _ exchange: Exchange, _ era: Era) -> Result<Request, Invalid> {
        let parameters = captured(Registry.parameters(ofCommand: index), exchange, era)
        guard let body = exchange.body else {
            return [UInt8]().withUnsafeBufferPointer {
                Registry.decode(command: index, body: $0.span, parameters: parameters)
            }
        }
        return body.withReadable { Registry.decode(command: index, body: $0, parameters: parameters) }
    }

    /// Set when the path names something that a table of the route does not have.
    private func unknownParameter(_ exchange: Exchange, _ era: Era) -> Refusal? {
        for parameter in era.table.parameters[Int(exchange.route)] where translated(parameter, exchange, era) == nil {
            return Refusal(.notFound, "nothing is known by this name", field: "/" + parameter.capture)
        }
        return nil
    }

    /// Nil = the table does not have it.
    private func translated(_ parameter: RouteParameter, _ exchange: Exchange, _ era: Era) -> [UInt8]? {
        let value = captured(parameter.place, exchange)
        guard let table = parameter.translation else { return value }
        return era.table.translations[table][value]
    }

    /// What stands in the path for each of `names`, percent-decoded; nil where the route has no such parameter.
    private func captured(_ names: [String], _ exchange: Exchange, _ era: Era) -> [[UInt8]?] {
        guard !names.isEmpty else { return [] }
        let places = era.captureNames[Int(exchange.route)]
        let others = era.table.parameters[Int(exchange.route)]
        return names.map { name in
            if let other = others.first(where: { $0.name == name }) { return translated(other, exchange, era) }
            return places.firstIndex(of: name).map { captured($0, exchange) }
        }
    }

    func captured(_ place: Int, _ exchange: Exchange) -> [UInt8] {
        exchange.text?.withReadable { PercentDecoding.decode($0.extracting(exchange.captures[place].range)) } ?? []
    }

    private func execute(_ decoded: Result<Request, Invalid>, _ exchange: Exchange) {
        switch decoded {
        case .success(let request):
            guard let expected = expectedVersion(exchange) else {
                return refuse(exchange, Invalid("If-Match must be one entity tag with a version", []))
            }
            setFingerprint(of: request, expected: expected, exchange)
            switch request {
            case .command(let command): submit(exchange, .command(command, expected: expected))
            case .checkout(let request): checkout(request, exchange, expected)
            }
        case .failure(let invalid): refuse(exchange, invalid)
        }
    }

    private func decode(
        command index: Int, _ message: Span<UInt8>, by facade: Facade
    ) -> Result<Request, Invalid> {
        let json = Buffer(capacity: 256)
        do throws(ProtoJSONError) {
            try facade.appendCommand(message, into: json, &transcoder)
        } catch {
            return .failure(Invalid("the message is not valid", [Invalid.Field(error.pointer, error.text)]))
        }
        return json.withReadable { Registry.decode(command: index, body: $0) }
    }

    func query(_ index: Int, _ exchange: Exchange, era: Era) {
        guard takesMinVersion(exchange) else {
            return refuse(exchange, Invalid("the request is not valid", [.init("/min-version", "must be one whole number")]))
        }
        if let facade = facade(of: exchange) { return query(index, exchange, by: facade) }
        if let refusal = unknownParameter(exchange, era) { return refuse(exchange, refusal) }
        let parameters = captured(Registry.parameters(ofQuery: index), exchange, era)
        switch Registry.decode(query: index, parameters: parameters) {
        case .success(let query): submit(exchange, .query(query))
        case .failure(let invalid): refuse(exchange, invalid)
        }
    }

    private func query(_ index: Int, _ exchange: Exchange, by facade: Facade) {
        switch withMessage(of: exchange, { facade.parameters(in: $0) }) {
        case .failure(let refusal): refuse(exchange, refusal)
        // Who asks for nobody's gets nothing, as from the services before.
        case .success(let parameters) where parameters.contains([]): answer(exchange, by: facade, nil)
        case .success(let parameters):
            switch Registry.decode(query: index, parameters: parameters) {
            case .success(let query): submit(exchange, .query(query))
            case .failure(let invalid): refuse(exchange, invalid)
            }
        }
    }

    private func submit(_ exchange: Exchange, _ work: Submission.Work) {
        let submission = Submission(
            ticket: exchange.ticket, work: work, metadata: exchange.metadata, access: exchange.access,
            repeatKey: exchange.repeatKey, delivery: exchange.delivery)
        // What its client cannot be asked to send again waits for room.
        if exchange.head.verb == .publish { return requests.ask(submission) }
        guard shared.core.submit(submission) else {
            return refuse(
                exchange, Refusal(.upstreamUnavailable, "too many commands wait to be written", retryAfterMS: 1000))
        }
    }

    /// `If-Match: "<version>"` asks for exactly that version; without it any will do.
    func expectedVersion(_ exchange: Exchange) -> ExpectedVersion? {
        guard let text = exchange.text else { return .any }
        return text.withReadable { text -> ExpectedVersion? in
            guard let field = exchange.head.first(.ifMatch) else { return .any }
            // More lines are one list (RFC 9110, 5.3).
            guard exchange.head.fields.count(where: { $0.name == .ifMatch }) == 1 else { return nil }
            let value = text.extracting(field.value.range)
            if value.equals("*") { return .any }
            guard value.count >= 3, value[0] == 0x22, value[value.count - 1] == 0x22,
                let version = value.extracting(1..<(value.count - 1)).decimal
            else { return nil }
            return version == 0 ? ExpectedVersion.none : .exact(UInt64(version))
        }
    }

    func refuse(_ exchange: Exchange, _ invalid: Invalid) {
        let fields = invalid.fields.isEmpty ? [Invalid.Field("", invalid.message)] : invalid.fields
        let problem = Problem(.invalid, exchange, fields: fields)
        exchange.wire?.answer(problem.reply(), of: exchange)
    }

    func refuse(_ exchange: Exchange, _ refusal: Refusal) {
        var outcome = refusal.outcome
        // A version the client asked for by If-Match is a precondition (RFC 9110 section 13.1.1).
        if outcome.code == .versionConflict && exchange.head.first(.ifMatch) != nil { outcome.status = 412 }
        if let facade = facade(of: exchange) { outcome = facade.known(outcome) }
        var problem = Problem(outcome, exchange, fields: refusal.fields)
        problem.text = refusal.text
        exchange.wire?.answer(problem.reply().preferenceApplied(of: exchange), of: exchange)
    }

    /// The core has answered; all that the answer rests on is on disk.
    func deliver(_ reply: Reply) {
        // Its time may have been over meanwhile: then its client has heard so already.
        if case .releasedDelivery(let isKnown) = reply.outcome { return releasedDelivery(reply.ticket, isKnown: isKnown) }
        guard let exchange = unanswered(reply.ticket), let wire = exchange.wire else {
            if !deliver(refusedRelease: reply) { giveUp(reply) }
            return
        }
        if deliver(affinity: reply.outcome, exchange) { return }
        guard !isTooOld(reply, exchange) else { return }
        exchange.isRepetition = reply.isRepetition
        noteAccess(exchange, reply.outcome)
        if deliver(claimed: reply.outcome, exchange, wire) { return }
        if let facade = facade(of: exchange) {
            switch reply.outcome {
            case .accepted(let accepted): return answer(exchange, by: facade, accepted.json)
            case .repeated(let accepted): return answer(exchange, by: facade, accepted.json, isRepeated: true)
            // An aggregate that never was is a message without fields.
            case .found(let body, let version): return answer(exchange, by: facade, version == 0 ? nil : body)
            case .answered(_, let body, _): return answer(exchange, by: facade, body, isRepeated: reply.isRepeated)
            case .refused: break
            default: return
            }
        }
        switch reply.outcome {
        case .accepted(let accepted): wire.answer(LocalReply(accepted), of: exchange)
        case .repeated(let accepted): wire.answer(LocalReply(accepted).marked(asRepeated: true), of: exchange)
        case .found(let body, let version):
            let isKnown = hasAlready(version, exchange)
            wire.answer(
                LocalReply(status: isKnown ? 304 : 200, body: isKnown ? [] : body, fields: EntityTag.field(version)), of: exchange)
        case .refused(let refusal): refuse(exchange, refusal)
        // A message that comes again: it was taken then.
        case .delivered: wire.answer(LocalReply(status: 202, body: []), of: exchange)
        case .answered(let status, let body, let fields):
            let answer = LocalReply(status: status, body: body, fields: fields).marked(asRepeated: reply.isRepeated)
            wire.answer(answer.preferenceApplied(of: exchange), of: exchange)
        // Only those inside ask for these.
        default: break
        }
    }
}

extension Reply {
    fileprivate var isRepetition: Bool {
        switch outcome {
        case .repeated, .upstreamRepeated: true
        default: isRepeated
        }
    }
}

extension LocalReply {
    fileprivate init(_ accepted: Accepted) {
        self.init(status: 202, body: accepted.json, fields: EntityTag.field(accepted.version))
    }
}

extension Exchange {
    /// Of the events that it causes.
    var metadata: Metadata {
        let trace = Buffer(capacity: 55)
        self.trace.append(to: trace)
        return Metadata(
            correlationId: String(decoding: correlationID.copyReadable(), as: UTF8.self), causationId: nil,
            // A session's id is as good as a password: it is not written down.
            userId: principal.flatMap { [.user, .service].contains($0.kind) ? String(decoding: $0.subject, as: UTF8.self) : nil },
            source: head.dialect.source, traceparent: String(decoding: trace.copyReadable(), as: UTF8.self))
    }
}

extension Dialect {
    /// The surface that events say they came through.
    fileprivate var source: String {
        switch self {
        case .http: "http"
        case .grpc: "grpc"
        case .grpcWeb, .grpcWebText: "grpc-web"
        case .connect: "connect"
        case .soap: "soap"
        case .eventStream: "sse"
        case .webSocket: "websocket"
        case .mqtt: "mqtt"
        }
    }
}

extension Accepted {
    /// The answer's body.
    fileprivate var json: [UInt8] {
        let out = Buffer(capacity: 192)
        var writer = JSONWriter(out)
        write(to: &writer)
        return out.copyReadable()
    }
}

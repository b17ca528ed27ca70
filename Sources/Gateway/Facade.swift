import Contracts
import EventCore
import Exchanges
import Pipeline
import Routes
import Settings
import WireGRPC

/// A gRPC method that the event core answers: between its messages and the core's JSON.
struct Facade: Sendable {
    private let schema: ProtoSchema
    private let method: ProtoMethod
    /// Where the query's parameters stand in the message, in the order it takes them.
    private let parameters: [ProtoFieldPath]
    /// Statuses that callers of this method know endings by.
    private let statuses: [(code: Code, status: UInt8)]

    /// Nil when the core does not answer the route, or (with a diagnostic) cannot.
    init?(_ route: RouteDefinition, _ index: Int?, _ schema: ProtoSchema?, _ diagnostics: Diagnostics) {
        guard route.match.grpc, let schema, let index else { return nil }
        self.schema = schema
        method = schema.methods[index]
        var names: [String] = []
        var isCore = false
        for target in route.targets {
            switch target {
            case .command: isCore = true
            case .query(_, let query):
                isCore = true
                names = Registry.parameters(ofQuery: Int(query))
            case .cluster, .anyCommand, .operation, .fixed, .topics: break
            }
        }
        guard isCore else { return nil }
        statuses = route.grpcStatuses.compactMap { name in
            let status = (1...16 as ClosedRange<UInt32>).first { "\(GRPCStatus(rawValue: $0).name)" == name.status }
            if status == nil { diagnostics.error(at: name.position, "'\(name.status)' is no status of gRPC that an error has") }
            return status.map { (name.code, UInt8($0)) }
        }
        let input = method.input
        parameters = names.compactMap { name in
            let found = try? schema.path(name, in: input)
            if found == nil {
                diagnostics.error(
                    at: route.position,
                    "route '\(route.name)': \(schema.name(ofMessage: input)) has no field '\(name)', which its query asks for")
            }
            return found
        }
    }

    /// Appends the request's message as the core's JSON. Defaults are written: to the core, a member that is
    /// missing and one that is zero are not the same.
    func appendCommand(
        _ message: Span<UInt8>, into json: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        var options = ProtoJSONOptions()
        options.printsDefaults = true
        try transcoder.appendJSON(message: message, type: method.input, schema, options: options, into: json)
    }

    /// The parameters of a query.
    func parameters(in message: Span<UInt8>) -> [[UInt8]?] {
        var values: [[UInt8]?] = []
        for path in parameters {
            values.append(schema.field(path, of: message).map { message.extracting($0.range).bytes } ?? [])
        }
        return values
    }

    /// The ending as the method's callers know it.
    func known(_ outcome: Outcome) -> Outcome {
        var outcome = outcome
        for (code, status) in statuses where code == outcome.code { outcome.grpc = status }
        return outcome
    }

    /// Appends what the core answered as the answer's message; what that has no field for is left out.
    func appendAnswer(
        _ json: Span<UInt8>, into message: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        var options = ProtoJSONOptions()
        options.ignoresUnknown = true
        try transcoder.appendMessage(json: json, type: method.output, schema, options: options, into: message)
    }
}

extension Worker {
    /// The façade of the exchange's route, when it came as a call.
    func facade(of exchange: Exchange) -> Facade? {
        guard exchange.rule.isGRPC else { return nil }
        return era(of: exchange).contracts.facades[Int(exchange.route)]
    }

    /// A compressed message that was collected becomes a plain one: stages, core and upstream see the same call,
    /// however its client sends it. Bodies of more than one message, or of less, stay as they are.
    /// - Returns: why it cannot be read.
    func flatten(_ exchange: Exchange) -> Outcome? {
        guard let body = exchange.body, let text = exchange.text else { return nil }
        let count = body.count
        let isOneCompressed = body.withReadable { bytes in
            count >= 5 && bytes[0] == GRPCMessageReader.compressed && GRPCMessageReader.length(bytes) == count - 5
        }
        guard isOneCompressed else { return nil }
        let frame = Buffer(capacity: count * 2 + 16)
        GRPCMessageWriter.prefix(0, into: frame)
        let outcome = text.withReadable { text in
            let encoding = exchange.head.first(named: Array("grpc-encoding".utf8), in: text)?.value ?? .none
            return body.withReadable { bytes in
                GRPCInflation.inflate(
                    bytes.extracting(5..<count), encoding: text.extracting(encoding.range), limit: CompiledCall.messageLimit,
                    into: frame)
            }
        }
        switch outcome {
        case .inflated:
            frame.setMessageLength()
            exchange.body = frame
            exchange.requestBody = .known(UInt64(frame.count))
            return nil
        case .tooLarge: return Outcome(.tooLarge, "the call's message is larger than it may be")
        // A flag without an encoding, and an encoding without its format, are errors of the protocol.
        case .malformed: return Outcome(.validationError, grpc: 13, "the call's message is not compressed as it says")
        case .unknownEncoding where exchange.hasEncoding:
            return Outcome(.unsupported, "messages compressed like this are not taken")
        case .unknownEncoding: return Outcome(.validationError, grpc: 13, "the call's message is compressed, and nothing says how")
        }
    }

    /// The one message of a call's body, or what is wrong with it.
    func withMessage<R>(of exchange: Exchange, _ use: (Span<UInt8>) -> R) -> Result<R, Refusal> {
        guard let body = exchange.body else { return .failure(Refusal(.validationError, "the call has no message")) }
        var reader = GRPCMessageReader(limit: CompiledCall.messageLimit)
        return body.withReadable { bytes -> Result<R, Refusal> in
            var at = 0
            switch reader.next(bytes, at: &at) {
            case .needMore: return .failure(Refusal(.validationError, "the call's message is cut short"))
            case .failed(.tooLarge): return .failure(Refusal(.tooLarge, "the call's message is larger than it may be"))
            case .failed(.badFlag): return .failure(Refusal(.validationError, "the call's message has unknown flags"))
            case .message(GRPCMessageReader.compressed):
                return .failure(Refusal(.validationError, "the call takes one message"))
            case .message:
                guard at == bytes.count else {
                    return .failure(Refusal(.validationError, "the call takes one message"))
                }
                return .success(reader.message.withReadable(use))
            }
        }
    }

    /// Answers a call with what the core found or did.
    /// - Parameters:
    ///   - json: nil = the message without fields.
    ///   - isRepeated: it is an earlier call's answer, and says so.
    func answer(_ exchange: Exchange, by facade: Facade, _ json: [UInt8]?, isRepeated: Bool = false) {
        guard let wire = exchange.wire else { return }
        let message = Buffer(capacity: 256)
        do throws(ProtoJSONError) {
            if let json { try facade.appendAnswer(json.span, into: message, &transcoder) }
        } catch {
            return wire.answer(Outcome(.internalError, "the answer does not fit the method's message"), of: exchange)
        }
        let head = ReplyLines(status: 200)
        head.add(.contentType, "content-type", "application/grpc")
        if isRepeated { head.add(.other, "idempotent-replayed", "true") }
        head.withHead { wire.start($0, size: .unknown, in: $1, of: exchange) }
        let frame = Buffer(capacity: message.count + 5)
        message.withReadable { GRPCMessageWriter.append($0, into: frame) }
        frame.withReadable { wire.send($0, of: exchange) }
        let trailers = Buffer(capacity: 32)
        trailers.append("grpc-status: 0\r\n" as StaticString)
        exchange.grpcStatus = GRPCStatus.ok.rawValue
        wire.end(trailers: trailers, of: exchange)
    }
}

extension Exchange {
    /// Does the call say how its messages may be compressed?
    fileprivate var hasEncoding: Bool {
        text?.withReadable { head.first(named: Array("grpc-encoding".utf8), in: $0) } != nil
    }
}

extension Buffer {
    /// Writes the length of the one message into its prefix, which stands at the front.
    func setMessageLength() {
        let length = count - 5
        withMutableReadable { bytes in
            for i in 0..<4 { bytes[1 + i] = UInt8(truncatingIfNeeded: length >> (24 - 8 * i)) }
        }
    }
}

import Contracts
import Exchanges
import Pipeline
import Routes
import Settings

/// A method and how JSON becomes a call of it: a route's `transcode` with every name resolved.
final class CompiledCall: Sendable {
    enum Body: Sendable {
        case none
        case message
        case field(ProtoFieldPath)
    }

    let schema: ProtoSchema
    let method: ProtoMethod
    /// As a request has it.
    let path: [UInt8]
    let body: Body
    /// The field of the answer that is the whole answer.
    private let answerField: ProtoFieldPath?
    /// The field of each of the route's path parameters.
    private let captures: [ProtoFieldPath]
    private let options: ProtoJSONOptions
    /// Bytes of a message of the answer, as it comes.
    let messageLimit: Int

    /// What servers of gRPC allow unless told otherwise.
    static let messageLimit = 4 << 20

    /// The method called with its own messages, whole: the Connect protocol.
    init(whole index: Int, _ schema: ProtoSchema) {
        self.schema = schema
        method = schema.methods[index]
        path = Array(method.path.utf8)
        body = .message
        answerField = nil
        captures = []
        options = ProtoJSONOptions()
        messageLimit = Self.messageLimit
    }

    /// A route's.
    /// - Parameter captures: the names of its path parameters.
    init(
        _ call: CallDefinition, _ index: Int, _ captures: [String], _ schema: ProtoSchema, _ diagnostics: Diagnostics
    ) {
        self.schema = schema
        method = schema.methods[index]
        path = Array(method.path.utf8)
        messageLimit = Self.messageLimit
        var options = ProtoJSONOptions()
        options.ignoresUnknown = call.ignoresUnknown
        options.printsDefaults = call.writesDefaults
        self.options = options
        func resolve(_ field: String, _ message: Int) -> ProtoFieldPath? {
            do throws(ProtoJSONError) {
                return try schema.path(field, in: message)
            } catch {
                diagnostics.error(at: call.position, "\(schema.name(ofMessage: message)), '\(field)': \(error.text)")
                return nil
            }
        }
        let input = method.input
        self.captures = captures.compactMap { capture in
            resolve(call.bindings.first { $0.capture == capture }?.field ?? capture, input)
        }
        answerField = call.responseBody.flatMap { resolve($0, schema.methods[index].output) }
        switch call.body {
        case .none: body = .none
        case .message: body = .message
        case .field(let name): body = resolve(name, input).map { .field($0) } ?? .none
        }
    }

    var serverStreams: Bool { method.serverStreaming }
    var clientStreams: Bool { method.clientStreaming }

    /// Appends the message that a request is: its body, then its query, then its path. Protobuf merges what
    /// comes later into what came before, and what a request is about, and routed by, is its path.
    func appendMessage(
        _ exchange: Exchange, into out: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        if let json = exchange.body {
            switch body {
            case .none: break
            case .message: try appendMessage(json: json, into: out, &transcoder)
            case .field(let path):
                try json.withReadable { text throws(ProtoJSONError) in
                    try transcoder.appendField(path, json: text, schema, options: options, into: out)
                }
            }
        }
        guard let text = exchange.text else { return }
        try text.withReadable { text throws(ProtoJSONError) in
            if case .message = body {} else {
                try appendQuery(text.extracting(exchange.head.query.range), into: out, &transcoder)
            }
            for (i, path) in captures.enumerated() {
                let value = PercentDecoding.decode(text.extracting(exchange.captures[i].range))
                try schema.appendField(path, text: value.span, into: out)
            }
        }
    }

    /// Appends the message in a JSON text.
    func appendMessage(
        json: Buffer, into out: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        try json.withReadable { text throws(ProtoJSONError) in
            // Nothing at all is the message without fields.
            if text.isEmpty { return }
            try transcoder.appendMessage(json: text, type: method.input, schema, options: options, into: out)
        }
    }

    /// `a=1&b.c=2&a=3`
    private func appendQuery(
        _ query: borrowing Span<UInt8>, into out: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        var start = 0
        while start < query.count {
            var end = start
            while end < query.count, query[end] != 0x26 { end += 1 }
            if end > start { try appendParameter(query.extracting(start..<end), into: out, &transcoder) }
            start = end + 1
        }
    }

    private func appendParameter(
        _ pair: borrowing Span<UInt8>, into out: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        var equals = 0
        while equals < pair.count, pair[equals] != 0x3d { equals += 1 }
        let name = QueryDecoding.decode(pair.extracting(0..<equals))
        let value = QueryDecoding.decode(pair.extracting(min(equals + 1, pair.count)..<pair.count))
        let text = String(decoding: name, as: UTF8.self)
        let path: ProtoFieldPath
        do throws(ProtoJSONError) {
            path = try schema.path(text, in: method.input)
        } catch {
            if options.ignoresUnknown { return }
            throw error
        }
        do throws(ProtoJSONError) {
            try schema.appendField(path, text: value.span, into: out)
        } catch {
            // Named as the client named it.
            throw ProtoJSONError("/" + text.split(separator: ".").joined(separator: "/"), error.text)
        }
    }

    /// Appends the answer's message, or the field of it that is the answer, as JSON.
    func appendAnswer(
        _ message: Span<UInt8>, into out: Buffer, _ transcoder: inout ProtoTranscoder
    ) throws(ProtoJSONError) {
        if let answerField {
            try transcoder.appendJSON(field: answerField, of: message, schema, options: options, into: out)
        } else {
            try transcoder.appendJSON(message: message, type: method.output, schema, options: options, into: out)
        }
    }
}

/// Decoding of names and values of a query (application/x-www-form-urlencoded: `+` is a space).
enum QueryDecoding {
    static func decode(_ text: borrowing Span<UInt8>) -> [UInt8] {
        var copy: [UInt8] = text.bytes
        for i in copy.indices where copy[i] == 0x2b { copy[i] = 0x20 }
        return PercentDecoding.decode(copy.span)
    }
}

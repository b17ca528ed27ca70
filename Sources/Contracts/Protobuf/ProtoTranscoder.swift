public import Exchanges

/// Turns messages into JSON and JSON into messages, straight from bytes to bytes. It owns the scratch
/// space both ways need, so that a call allocates nothing once it is warm: keep one for each worker.
public struct ProtoTranscoder: ~Copyable {
    var scan = MessageScan()
    var scratch = EncoderScratch()

    public init() {}

    /// Appends the JSON text of `message`, one encoded message of the type `type` (in `schema.messages`).
    /// When it throws, `target` is as it was.
    public mutating func appendJSON(
        message: Span<UInt8>, type: Int, _ schema: ProtoSchema, options: ProtoJSONOptions = ProtoJSONOptions(),
        into target: Buffer
    ) throws(ProtoJSONError) {
        try print(message, type, nil, schema, options, target)
    }

    /// Appends the JSON value of one field of `message`, as for `response_body` of an HTTP rule. A field that
    /// is absent is `null`, or its default when it cannot be absent; lists are `[]`, maps `{}`.
    /// When it throws, `target` is as it was.
    public mutating func appendJSON(
        field: ProtoFieldPath, of message: Span<UInt8>, _ schema: ProtoSchema,
        options: ProtoJSONOptions = ProtoJSONOptions(), into target: Buffer
    ) throws(ProtoJSONError) {
        try print(message, field.type, field, schema, options, target)
    }

    /// Appends the message of the type `type` that the JSON text `json` stands for.
    /// When it throws, `target` is as it was.
    public mutating func appendMessage(
        json: Span<UInt8>, type: Int, _ schema: ProtoSchema, options: ProtoJSONOptions = ProtoJSONOptions(),
        into target: Buffer
    ) throws(ProtoJSONError) {
        try encode(json, type, nil, schema, options, target)
    }

    /// Appends one field with the value of the JSON text `json`, as for `body` of an HTTP rule; pointers in
    /// errors begin at that value. When it throws, `target` is as it was.
    public mutating func appendField(
        _ field: ProtoFieldPath, json: Span<UInt8>, _ schema: ProtoSchema,
        options: ProtoJSONOptions = ProtoJSONOptions(), into target: Buffer
    ) throws(ProtoJSONError) {
        try encode(json, field.type, field, schema, options, target)
    }

    private mutating func print(
        _ message: Span<UInt8>, _ type: Int, _ field: ProtoFieldPath?, _ schema: ProtoSchema,
        _ options: ProtoJSONOptions, _ target: Buffer
    ) throws(ProtoJSONError) {
        guard message.count < Int(UInt32.max) else { throw ProtoJSONError("", "the message is too large") }
        var printer = ProtoPrinter(schema, options, target)
        swap(&printer.scan, &scan)
        defer {
            swap(&printer.scan, &scan)
            scan.reset()
        }
        let before = target.count
        do throws(ProtoJSONError) {
            if let field {
                try printer.field(field, message)
            } else {
                try printer.whole(message, type)
            }
        } catch {
            target.dropLast(target.count - before)
            throw error
        }
    }

    private mutating func encode(
        _ json: Span<UInt8>, _ type: Int, _ field: ProtoFieldPath?, _ schema: ProtoSchema,
        _ options: ProtoJSONOptions, _ target: Buffer
    ) throws(ProtoJSONError) {
        var encoder = ProtoEncoder(schema, options, target)
        swap(&encoder.scratch, &scratch)
        defer {
            swap(&encoder.scratch, &scratch)
            scratch.reset()
        }
        let before = target.count
        do throws(ProtoJSONError) {
            try encoder.parse(json)
            if let field {
                try encoder.field(field, level: 0, json)
            } else {
                try encoder.whole(json, type)
            }
        } catch {
            target.dropLast(target.count - before)
            throw error
        }
    }
}

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
        guard message.count < Int(UInt32.max) else { throw ProtoJSONError("", "the message is too large") }
        var printer = ProtoPrinter(schema, options, target)
        swap(&printer.scan, &scan)
        defer {
            swap(&printer.scan, &scan)
            scan.reset()
        }
        let before = target.count
        do throws(ProtoJSONError) {
            try printer.whole(message, type)
        } catch {
            target.dropLast(target.count - before)
            throw error
        }
    }

    /// Appends the message of the type `type` that the JSON text `json` stands for.
    /// When it throws, `target` is as it was.
    public mutating func appendMessage(
        json: Span<UInt8>, type: Int, _ schema: ProtoSchema, options: ProtoJSONOptions = ProtoJSONOptions(),
        into target: Buffer
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
            try encoder.whole(json, type)
        } catch {
            target.dropLast(target.count - before)
            throw error
        }
    }
}

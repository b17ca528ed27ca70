import Exchanges
import Pipeline
import WireHTTP

/// The fields of an answer as they go to the client, as whole lines: the same for every version of HTTP,
/// which adds only what frames its own message.
enum ReplyFields {
    /// Fields of an answer that end here, or that the gateway writes itself.
    private static let dropped: FieldNameSet = {
        var set = ConnectionFields.always
        set.insert(.correlationID)
        return set
    }()

    /// The same for answers that must not carry a length (RFC 9110 section 8.6: 1xx and 204).
    private static let droppedWithLength: FieldNameSet = {
        var set = dropped
        set.insert(.contentLength)
        return set
    }()

    /// An interim answer's.
    static func interim(_ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, into out: Buffer) {
        for field in head.fields where !droppedWithLength.contains(field.name) {
            HTTP1Encoder.field(field, of: text, into: out)
        }
    }

    /// A proxied answer's: the upstream's own, edited by the route, dated, correlated.
    static func proxied(
        _ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange, worker: Worker,
        into out: Buffer
    ) {
        let edits = worker.responseEdits(of: exchange)
        let dropping = head.status == 204 || head.status == 101 ? droppedWithLength : dropped
        var dated = false
        for field in head.fields where !dropping.contains(field.name) {
            if field.name == .date { dated = true }
            if let edits, edits.drops(text.extracting(field.nameText.range)) { continue }
            HTTP1Encoder.field(field, of: text, into: out)
        }
        if !dated { worker.dateField(into: out) }
        edits?.write(into: out)
        correlation(exchange, into: out)
    }

    /// An answer's of our own.
    static func local(_ reply: LocalReply, of exchange: Exchange, worker: Worker, into out: Buffer) {
        worker.dateField(into: out)
        if reply.mayHaveBody {
            if reply.contentType.utf8CodeUnitCount > 0 {
                out.append("Content-Type: " as StaticString)
                out.append(reply.contentType)
                HTTP1Encoder.crlf(out)
            }
            HTTP1Encoder.contentLength(UInt64(reply.body.count), into: out)
        }
        out.append(reply.fields)
        correlation(exchange, into: out)
        worker.responseEdits(of: exchange)?.write(into: out)
    }

    private static func correlation(_ exchange: Exchange, into out: Buffer) {
        guard !exchange.correlationID.isEmpty else { return }
        exchange.correlationID.withReadable { HTTP1Encoder.field("Correlation-Id", $0, into: out) }
    }
}

extension LocalReply {
    /// RFC 9110 sections 15.3.5 and 15.4.5.
    var mayHaveBody: Bool { status != 204 && status != 304 }
}

import Exchanges
import Identity
import Pipeline
import Policies
import Routes
import WireHTTP

/// The fields of an answer as they go to the client: the same for every version of HTTP, which adds only
/// what frames its own message.
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
    static func interim(_ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, into out: some FieldSink) {
        for field in head.fields where !droppedWithLength.contains(field.name) { out.write(field, of: text) }
    }

    /// A proxied answer's: the upstream's own, edited by the route, dated, correlated.
    static func proxied(
        _ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange, worker: Worker,
        into out: some FieldSink
    ) {
        let edits = worker.responseEdits(of: exchange)
        let cors = worker.corsPolicy(of: exchange)
        let dropping = head.status == 204 || head.status == 101 ? droppedWithLength : dropped
        let replacesLegacy = RateLimitFields.replacesLegacy(exchange, status: head.status, worker: worker)
        var dated = false
        var run = LineRun()
        for field in head.fields where !dropping.contains(field.name) {
            if field.name == .date { dated = true }
            if cors != nil, CORSFields.isOwn(field, text) { continue }
            if replacesLegacy, RateLimitFields.isLegacy(field, text) { continue }
            if let edits, edits.drops(text.extracting(field.nameText.range)) { continue }
            out.write(field, of: text, joining: &run)
        }
        out.finish(run, of: text)
        if !dated { out.writeDate(of: worker) }
        if exchange.isNewSession { session(exchange, worker, into: out) }
        if let edits { out.writeLines(edits.write) }
        if let cors { permissions(cors, exchange, into: out) }
        if exchange.charges.shown != Charges.noBudget {
            RateLimitFields.write(exchange, status: head.status, worker: worker, into: out)
        }
        correlation(exchange, into: out)
    }

    /// An answer's of our own.
    static func local(_ reply: LocalReply, of exchange: Exchange, worker: Worker, into out: some FieldSink) {
        out.writeDate(of: worker)
        out.writeLines { reply.writeFields(into: $0) }
        if exchange.isNewSession { session(exchange, worker, into: out) }
        correlation(exchange, into: out)
        if let edits = worker.responseEdits(of: exchange) { out.writeLines(edits.write) }
        if let cors = worker.corsPolicy(of: exchange) { permissions(cors, exchange, into: out) }
        if exchange.charges.shown != Charges.noBudget {
            RateLimitFields.write(exchange, status: reply.status, worker: worker, into: out)
        }
    }

    /// What pages of other origins may do with the answer.
    private static func permissions(_ policy: CORSPolicy, _ exchange: Exchange, into out: some FieldSink) {
        exchange.text?.withReadable { CORSFields.write(policy, exchange.head, $0, into: out) }
    }

    /// A session that was made here: its client keeps it.
    private static func session(_ exchange: Exchange, _ worker: Worker, into out: some FieldSink) {
        guard let principal = exchange.principal, principal.kind == .session else { return }
        let isSecure = exchange.wire?.session.isSecure ?? false
        let names = worker.era(of: exchange).identity.session
        out.writeLines { names.appendCookie(principal.subject, isSecure: isSecure, to: $0) }
    }

    private static func correlation(_ exchange: Exchange, into out: some FieldSink) {
        guard !exchange.correlationID.isEmpty else { return }
        exchange.correlationID.withReadable { out.write(.correlationID, "Correlation-Id", "correlation-id", $0) }
    }
}

extension LocalReply {
    /// RFC 9110 sections 15.3.5 and 15.4.5.
    var mayHaveBody: Bool { status != 204 && status != 304 }

    /// What the reply itself says, as lines.
    fileprivate func writeFields(into out: Buffer) {
        if mayHaveBody {
            if contentType.utf8CodeUnitCount > 0 {
                out.append("Content-Type: " as StaticString)
                out.append(contentType)
                HTTP1Encoder.crlf(out)
            }
            if !isHeadOnly { HTTP1Encoder.contentLength(UInt64(body.count), into: out) }
        }
        out.append(fields)
    }
}

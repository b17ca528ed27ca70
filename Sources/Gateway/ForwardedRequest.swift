import Exchanges
import Pipeline
import Routes
import Telemetry
import WireHTTP

/// The head of a request as it goes upstream over HTTP/1.1: the client's own end-to-end fields in
/// their order, and the gateway's: where the request came from (RFC 7239 and X-Forwarded-*), `Via`,
/// correlation and trace.
struct ForwardedRequest {
    /// Fields the gateway writes itself, or that end here.
    private static let replaced: FieldNameSet = {
        var set = ConnectionFields.always
        for name: FieldName in [
            .host, .contentLength, .trailer, .via, .correlationID, .xCorrelationID, .traceparent, .tracestate,
            .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xRealIP,
        ] { set.insert(name) }
        return set
    }()

    let exchange: Exchange
    let session: Session
    let table: RouteTable
    /// `host:port` of the endpoint, for `host: upstream`.
    let endpointAuthority: [UInt8]

    /// Writes the head, blank line included.
    func write(into out: Buffer) {
        guard let text = exchange.text else { return }
        text.withReadable { text in
            requestLine(text, out)
            host(text, out)
            fields(text, out)
            origin(text, out)
            trace(text, out)
            framing(text, out)
            HTTP1Encoder.crlf(out)
        }
    }

    private func requestLine(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        let head = exchange.head
        out.append(head.method, of: text)
        out.append(0x20)
        if exchange.rule.pathRewrite == Rule.none {
            out.append(head.path, of: text)
        } else {
            table.pathRewrite(
                exchange.rule.pathRewrite, path: head.path, captures: exchange.captures, in: text, into: out)
        }
        if head.hasQuery {
            out.append(0x3f)
            out.append(head.query, of: text)
        }
        out.append(" HTTP/1.1\r\n" as StaticString)
    }

    private func host(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        switch exchange.rule.host {
        case .preserve where !exchange.head.authority.isEmpty:
            HTTP1Encoder.field("Host", text.extracting(exchange.head.authority.range), into: out)
        case .preserve, .upstream: HTTP1Encoder.field("Host", endpointAuthority.span, into: out)
        case .literal(let index):
            let own = table.text
            HTTP1Encoder.field("Host", own.span.extracting(table.literals[Int(index)].range), into: out)
        }
    }

    private func fields(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        let edits =
            exchange.rule.headerEdits == Rule.none
            ? nil : HeaderEditing(table: table, run: table.headerEdits[Int(exchange.rule.headerEdits)].request)
        for field in exchange.head.fields where !Self.replaced.contains(field.name) {
            if let edits, edits.drops(text.extracting(field.nameText.range)) { continue }
            HTTP1Encoder.field(field, of: text, into: out)
        }
        edits?.write(into: out)
    }

    // MARK: - Where it came from

    private func origin(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        let head = exchange.head
        out.append("X-Forwarded-For: " as StaticString)
        if session.trusted { joined(.xForwardedFor, text, out) }
        out.append(session.peerText)
        HTTP1Encoder.crlf(out)

        if session.trusted, let given = head.first(.xForwardedProto) {
            HTTP1Encoder.field(given, of: text, into: out)
        } else {
            out.append("X-Forwarded-Proto: http\r\n" as StaticString)
        }
        if session.trusted, let given = head.first(.xForwardedHost) {
            HTTP1Encoder.field(given, of: text, into: out)
        } else if !head.authority.isEmpty {
            HTTP1Encoder.field("X-Forwarded-Host", text.extracting(head.authority.range), into: out)
        }

        out.append("Forwarded: " as StaticString)
        if session.trusted { joined(.forwarded, text, out) }
        let isV6 = session.peerText.contains(0x3a)
        out.append(isV6 ? "for=\"[" : "for=" as StaticString)
        out.append(session.peerText)
        out.append(isV6 ? "]\";proto=http" : ";proto=http" as StaticString)
        if !head.authority.isEmpty {
            out.append(";host=\"" as StaticString)
            out.append(head.authority, of: text)
            out.append(0x22)
        }
        out.append("\r\nVia: " as StaticString)
        joined(.via, text, out)
        out.append("1.1 nexus-gateway\r\n" as StaticString)
    }

    /// The values of all fields with this name, each followed by a comma.
    private func joined(_ name: FieldName, _ text: borrowing Span<UInt8>, _ out: Buffer) {
        for field in exchange.head.fields where field.name == name && !field.value.isEmpty {
            out.append(field.value, of: text)
            out.append(", " as StaticString)
        }
    }

    private func trace(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        out.append("Correlation-Id: " as StaticString)
        exchange.correlationID.withReadable { out.append($0) }
        out.append("\r\ntraceparent: " as StaticString)
        exchange.trace.append(to: out)
        HTTP1Encoder.crlf(out)
        guard exchange.continuesTrace else { return }
        for field in exchange.head.fields where field.name == .tracestate {
            HTTP1Encoder.field(field, of: text, into: out)
        }
    }

    // MARK: - Framing and connection

    private func framing(_ text: borrowing Span<UInt8>, _ out: Buffer) {
        if exchange.wantsUpgrade, let upgrade = exchange.head.first(.upgrade) {
            out.append("Connection: upgrade\r\n" as StaticString)
            HTTP1Encoder.field(upgrade, of: text, into: out)
        }
        switch exchange.requestBody {
        case .known(let length): HTTP1Encoder.contentLength(length, into: out)
        case .unknown:
            HTTP1Encoder.chunkedCoding(into: out)
            if let trailer = exchange.head.first(.trailer) { HTTP1Encoder.field(trailer, of: text, into: out) }
        case .none:
            // A length of zero that was said stays said.
            if exchange.head.first(.contentLength) != nil { HTTP1Encoder.contentLength(0, into: out) }
        }
    }
}

import Exchanges
import Pipeline
import Routes
import Telemetry
import WireHTTP

/// The head of a request as it goes upstream: the client's own end-to-end fields in their order, and
/// the gateway's: where the request came from (RFC 7239 and X-Forwarded-*), `Via`, correlation and
/// trace. This file writes it for HTTP/1.1, and the field lines that both versions share.
enum ForwardedRequest {
    /// Fields the gateway writes itself, or that end here.
    static let replaced = FieldNameSet(
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .te, .upgrade, .http2Settings,
        .proxyAuthorization, .proxyAuthenticate, .host, .contentLength, .trailer, .via, .correlationID,
        .xCorrelationID, .traceparent, .tracestate, .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost,
        .xForwardedPort, .xRealIP)

    /// Writes the head, blank line included.
    /// - Parameter endpoint: `host:port` of the endpoint, for `host: upstream`.
    static func write(_ exchange: Exchange, session: Session, table: RouteTable, endpoint: [UInt8], into out: Buffer) {
        guard let text = exchange.text else { return }
        text.withReadable { text in
            requestLine(exchange, table, text, out)
            authority(exchange, table, endpoint, text, out)
            HTTP1Encoder.crlf(out)
            fields(exchange, session, table, text, FieldLines(out: out))
            framing(exchange, text, out)
            HTTP1Encoder.crlf(out)
        }
    }

    /// The fields that do not depend on the version.
    static func fields(
        _ exchange: Exchange, _ session: Session, _ table: RouteTable, _ text: borrowing Span<UInt8>,
        _ out: some FieldSink
    ) {
        own(exchange, table, text, out)
        if let lines = exchange.principal?.fieldLines, !lines.isEmpty { out.writeLines { $0.append(lines) } }
        // What the gateway asks for itself is forwarded for nobody.
        if !session.isInside { ForwardedOrigin.write(exchange, session, text, out) }
        names(exchange, text, out)
    }

    private static func requestLine(
        _ exchange: Exchange, _ table: RouteTable, _ text: borrowing Span<UInt8>, _ out: Buffer
    ) {
        if exchange.rule.pathRewrite == Rule.none && exchange.head.method.end &+ 1 == Int(exchange.head.path.start) {
            // Method, one space and path stand side by side in nearly every request.
            out.append(text.extracting(Int(exchange.head.method.start)..<exchange.head.path.end))
            query(exchange, text, out)
        } else {
            out.append(exchange.head.method, of: text)
            out.append(0x20)
            target(exchange, table, text, out)
        }
        out.append(" HTTP/1.1\r\nHost: " as StaticString)
    }

    /// Path and query, as the route rewrites them.
    static func target(_ exchange: Exchange, _ table: RouteTable, _ text: borrowing Span<UInt8>, _ out: Buffer) {
        path(exchange, table, text, out)
        query(exchange, text, out)
    }

    static func path(_ exchange: Exchange, _ table: RouteTable, _ text: borrowing Span<UInt8>, _ out: Buffer) {
        guard exchange.rule.pathRewrite != Rule.none else { return out.append(exchange.head.path, of: text) }
        table.pathRewrite(
            exchange.rule.pathRewrite, path: exchange.head.path, captures: exchange.captures, in: text, into: out)
    }

    private static func query(_ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: Buffer) {
        guard exchange.head.hasQuery else { return }
        out.append(0x3f)
        out.append(exchange.head.query, of: text)
    }

    static func authority(
        _ exchange: Exchange, _ table: RouteTable, _ endpoint: [UInt8], _ text: borrowing Span<UInt8>, _ out: Buffer
    ) {
        switch exchange.rule.host {
        case .preserve where !exchange.head.authority.isEmpty: out.append(exchange.head.authority, of: text)
        case .preserve, .upstream: out.append(endpoint)
        case .literal(let index):
            let own = table.text
            out.append(table.literals[Int(index)], of: own.span)
        }
    }

    private static func own(
        _ exchange: Exchange, _ table: RouteTable, _ text: borrowing Span<UInt8>, _ out: some FieldSink
    ) {
        let isTranslated = exchange.translation != nil
        var replaced = isTranslated ? replacedInCalls : Self.replaced
        // The gateway has met the expectation itself.
        if exchange.isAskedForHere { replaced.insert(.expect) }
        if exchange.principal?.forwardsToken == false { replaced.insert(.authorization) }
        // It counts a call's time as well.
        if exchange.isCall { replaced.insert(.grpcTimeout) }
        var run = LineRun()
        guard exchange.rule.headerEdits != Rule.none else {
            // By place: walking the array itself would count a reference to it.
            for i in exchange.head.fields.indices {
                let field = exchange.head.fields[i]
                if replaced.contains(field.name) || isTranslated && isCoding(field, text, of: exchange.head.dialect) { continue }
                out.write(field, of: text, joining: &run)
            }
            out.finish(run, of: text)
            return
        }
        let edits = HeaderEditing(table: table, run: table.headerEdits[Int(exchange.rule.headerEdits)].request)
        for field in exchange.head.fields where !replaced.contains(field.name) {
            if isTranslated && isCoding(field, text, of: exchange.head.dialect) { continue }
            if edits.drops(text.extracting(field.nameText.range)) { continue }
            out.write(field, of: text, joining: &run)
        }
        out.finish(run, of: text)
        out.writeLines(edits.write)
    }

    /// Correlation and trace.
    private static func names(_ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: some FieldSink) {
        exchange.correlationID.withReadable { out.write(.correlationID, "Correlation-Id", "correlation-id", $0) }
        out.begin(.traceparent, "traceparent", "traceparent")
        exchange.trace.append(to: out.text)
        out.finish()
        guard exchange.continuesTrace, hasValidTraceState(exchange, text) else { return }
        for field in exchange.head.fields where field.name == .tracestate { out.write(field, of: text) }
    }

    /// A malformed or overlong list is dropped whole (W3C Trace Context section 3.3.1).
    private static func hasValidTraceState(_ exchange: Exchange, _ text: borrowing Span<UInt8>) -> Bool {
        var total = 0
        for field in exchange.head.fields where field.name == .tracestate {
            guard let members = TraceState.members(text.extracting(field.value.range)) else { return false }
            total += members
        }
        return total <= TraceState.maximum
    }

    // MARK: - Framing and connection

    private static func framing(_ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: Buffer) {
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

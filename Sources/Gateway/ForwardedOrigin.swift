import Exchanges
import Pipeline

/// Where a request came from, as the upstream is told: X-Forwarded-*, Forwarded (RFC 7239) and Via
/// (RFC 9110 section 7.6.3). What a trusted proxy said goes on, and the proxy itself is added.
enum ForwardedOrigin {
    static func write(_ exchange: Exchange, _ session: Session, _ text: borrowing Span<UInt8>, _ out: some FieldSink) {
        out.begin(.xForwardedFor, "X-Forwarded-For", "x-forwarded-for")
        if session.trusted { joined(.xForwardedFor, exchange, text, out.text) }
        out.text.append(session.peerText)
        out.finish()
        if session.trusted, let given = exchange.head.first(.xForwardedProto) {
            out.write(given, of: text)
        } else {
            out.begin(.xForwardedProto, "X-Forwarded-Proto", "x-forwarded-proto")
            out.text.append(scheme(session))
            out.finish()
        }
        if session.trusted, let given = exchange.head.first(.xForwardedHost) {
            out.write(given, of: text)
        } else if !exchange.head.authority.isEmpty {
            out.write(
                .xForwardedHost, "X-Forwarded-Host", "x-forwarded-host", text.extracting(exchange.head.authority.range))
        }
        out.begin(.forwarded, "Forwarded", "forwarded")
        forwarded(exchange, session, text, out.text)
        out.finish()
        out.begin(.via, "Via", "via")
        joined(.via, exchange, text, out.text)
        out.text.append(exchange.head.version.number)
        out.text.append(" nexus-gateway" as StaticString)
        out.finish()
    }

    private static func scheme(_ session: Session) -> StaticString { session.isSecure ? "https" : "http" }

    private static func forwarded(
        _ exchange: Exchange, _ session: Session, _ text: borrowing Span<UInt8>, _ value: Buffer
    ) {
        if session.trusted { joined(.forwarded, exchange, text, value) }
        value.append("for=" as StaticString)
        let isV6 = session.peer.high != 0 || session.peer.low >> 32 != 0xffff && session.peer.low != 0
        if isV6 { value.append("\"[" as StaticString) }
        value.append(session.peerText)
        if isV6 { value.append("]\"" as StaticString) }
        value.append(";proto=" as StaticString)
        value.append(scheme(session))
        guard !exchange.head.authority.isEmpty else { return }
        value.append(";host=\"" as StaticString)
        value.append(exchange.head.authority, of: text)
        value.append(0x22)
    }

    /// The values of all fields with this name, each followed by a comma.
    private static func joined(
        _ name: FieldName, _ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: Buffer
    ) {
        for i in exchange.head.fields.indices {
            let field = exchange.head.fields[i]
            guard field.name == name && !field.value.isEmpty else { continue }
            out.append(field.value, of: text)
            out.append(", " as StaticString)
        }
    }
}

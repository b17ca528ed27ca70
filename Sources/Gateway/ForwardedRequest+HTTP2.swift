import Exchanges
import Pipeline
import Routes
import WireGRPC
import WireHTTP

/// The same head for HTTP/2 (RFC 9113 section 8.3.1): what the request line and Host say become
/// pseudo-fields, the rest are the same fields by the same code.
extension ForwardedRequest {
    /// - Parameters:
    ///   - nowMS: loop milliseconds, for the time a call has left.
    ///   - scratch: empty; holds each text that has to be put together, for a moment.
    ///   - out: takes the fields; what it held is forgotten.
    static func write(
        _ exchange: Exchange, session: Session, table: RouteTable, endpoint: [UInt8], isSecure: Bool, nowMS: UInt64,
        scratch: Buffer, into out: FieldEntries
    ) {
        let block = out.block
        block.clear()
        guard let text = exchange.text else { return }
        text.withReadable { text in
            let call = exchange.translation
            if call == nil {
                block.add(":method", text.extracting(exchange.head.method.range))
            } else {
                block.add(":method", "POST" as StaticString)
            }
            block.add(":scheme", isSecure ? "https" : "http" as StaticString)
            authority(exchange, table, endpoint, text, scratch)
            scratch.withReadable { block.add(":authority", $0) }
            scratch.clear()
            if let call { callTarget(call, exchange, table, text, scratch) } else { target(exchange, table, text, scratch) }
            scratch.withReadable { block.add(":path", $0) }
            scratch.clear()
            fields(exchange, session, table, text, out)
            if call == nil { bodyFields(exchange, text, out) } else { callFields(exchange, text, out) }
            if exchange.isCall && exchange.endsByMS > 0 { timeout(exchange, nowMS, out) }
        }
    }

    /// What is left of the call's time, whoever has bounded it.
    private static func timeout(_ exchange: Exchange, _ nowMS: UInt64, _ out: FieldEntries) {
        let left = exchange.endsByMS > nowMS ? exchange.endsByMS - nowMS : 1
        out.begin(.grpcTimeout, "grpc-timeout", "grpc-timeout")
        GRPCTimeout.append(milliseconds: left, to: out.text)
        out.finish()
    }

    private static func bodyFields(_ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: FieldEntries) {
        if wantsTrailers(exchange, text) { out.block.add("te", "trailers" as StaticString) }
        switch exchange.requestBody {
        case .known(let length): out.block.add(contentLength: length)
        case .unknown: if let trailer = exchange.head.first(.trailer) { out.write(trailer, of: text) }
        case .none: if exchange.head.first(.contentLength) != nil { out.block.add(contentLength: 0) }
        }
    }

    /// `TE` belongs to each connection of its own, but what the client says of trailers goes for this one too.
    /// gRPC always does, and servers insist on hearing it.
    private static func wantsTrailers(_ exchange: Exchange, _ text: borrowing Span<UInt8>) -> Bool {
        if exchange.isCall { return true }
        for field in exchange.head.fields where field.name == .te {
            if HTTP1Framing.hasTrailersOption(text.extracting(field.value.range)) { return true }
        }
        return false
    }
}

import EventCore
import Exchanges
import Pipeline
import WireGRPC

/// An error of the gateway's own in gRPC's form: HTTP says 200, and the status stands in the trailers, or in the
/// head where there is nothing else (SPEC 28.4). The details say whose error it is, so that a client can tell the
/// gateway's from its service's.
extension Problem {
    /// The whole answer as one head. It is the exchange's answer if none has begun.
    func trailersOnly(contentType: StaticString) -> LocalReply {
        if exchange.status == 0 { exchange.grpcStatus = GRPCStatus(outcome).rawValue }
        let lines = Buffer(capacity: 384)
        trailers(into: lines)
        var reply = LocalReply(status: 200, contentType: contentType, body: [], fields: lines.copyReadable())
        reply.isHeadOnly = exchange.head.version == .http2
        return reply
    }

    /// `grpc-status` and what explains it, as field lines.
    func trailers(into out: Buffer) {
        let status = GRPCStatus(outcome)
        // Said twice, and each byte may take three: clients bound what a head may hold.
        let message = text?.bounded(to: 1024) ?? outcome.detail.withUTF8Buffer { Array($0) }
        GRPCTrailers.append(status, message: message.span, to: out)
        out.append("grpc-status-details-bin: " as StaticString)
        GRPCBinary.encode(details.encoded(status, message: message).span, into: out)
        out.append("\r\n" as StaticString)
    }

    private var details: GRPCErrorDetails {
        var details = GRPCErrorDetails()
        details.reason = outcome.code.name.withUTF8Buffer { Array($0) }
        details.domain = Array("nexus-gateway".utf8)
        let number = Buffer(capacity: 16)
        number.append(hex: exchange.requestID, digits: 16)
        details.metadata.append((Array("requestId".utf8), number.copyReadable()))
        if !exchange.correlationID.isEmpty {
            details.metadata.append((Array("correlationId".utf8), exchange.correlationID.copyReadable()))
        }
        if let id = decisionID { details.metadata.append((Array("decisionId".utf8), id)) }
        details.violations = (fields ?? []).map { ($0.path, $0.error) }
        details.retryAfterMS = outcome.retryAfterMS
        return details
    }
}

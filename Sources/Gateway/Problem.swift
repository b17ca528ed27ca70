import Contracts
import EventCore
import Exchanges
import Pipeline
import Telemetry
import WireGRPC
import WireHTTP

/// An error of the gateway's own, on its way to a client. The dialect says what it looks like there: a problem
/// document (RFC 9457) with the members of SPEC 26 in this file, the other forms in `Problem+….swift`.
struct Problem {
    let outcome: Outcome
    let exchange: Exchange
    /// What is wrong with which part of the request, or nil.
    let fields: [Invalid.Field]?
    /// RFC 9209 error type, when an upstream was the cause.
    var proxyStatus: StaticString?
    /// Allowed methods, for 405.
    var allow: [UInt8]?
    /// What is read instead of the outcome's constant; others have written it.
    var text: String?
    /// How the gRPC call ended that this is the end of.
    var call: CallStatus?

    init(_ outcome: Outcome, _ exchange: Exchange, fields: [Invalid.Field]?) {
        self.outcome = outcome
        self.exchange = exchange
        self.fields = fields?.map { Invalid.Field($0.pointer.masked, $0.error) }
    }

    func reply() -> LocalReply {
        switch exchange.head.dialect {
        // Over HTTP/1.1 nobody could read it.
        case .grpc where exchange.head.version == .http2: trailersOnly(contentType: "application/grpc")
        case .grpcWeb: trailersOnly(contentType: "application/grpc-web+proto")
        case .grpcWebText: trailersOnly(contentType: "application/grpc-web-text+proto")
        case .connect: connectError()
        case .mqtt: line()
        case .http, .grpc, .soap, .eventStream, .webSocket:
            LocalReply(
                status: outcome.httpStatus, contentType: "application/problem+json", body: document(),
                fields: headerFields())
        }
    }

    /// For a reason string: what is wrong, and where.
    private func line() -> LocalReply {
        let out = Buffer(capacity: 96)
        if let text {
            out.append(text.bounded(to: 192))
        } else {
            out.append(outcome.detail)
        }
        if let field = fields?.first, !field.pointer.isEmpty || out.isEmpty {
            if !out.isEmpty { out.append(": " as StaticString) }
            // A refusal with one field says the same in both.
            let isSaid = text == nil && field.error == outcome.detail.description
            out.append((isSaid ? field.pointer : field.pointer + " " + field.error).bounded(to: 192))
        }
        var reply = LocalReply(status: outcome.httpStatus, contentType: "text/plain", body: out.copyReadable())
        reply.outcome = outcome
        return reply
    }

    private func document() -> [UInt8] {
        let out = Buffer(capacity: 384)
        let status = outcome.httpStatus
        out.append("{\"type\":\"about:blank\",\"title\":\"" as StaticString)
        out.append(HTTP1Encoder.reason(status))
        out.append("\",\"status\":" as StaticString)
        out.append(decimal: UInt64(status))
        if let call, !call.message.isEmpty {
            out.append(",\"detail\":" as StaticString)
            var json = JSONWriter(out)
            json.string(String(decoding: call.message, as: UTF8.self))
        } else if let text {
            out.append(",\"detail\":" as StaticString)
            var json = JSONWriter(out)
            json.string(utf8: text.bounded(to: 4096).span)
        } else if outcome.detail.utf8CodeUnitCount > 0 {
            out.append(",\"detail\":\"" as StaticString)
            out.append(outcome.detail)
            out.append(0x22)
        }
        out.append(",\"code\":\"" as StaticString)
        out.append(outcome.code.name)
        if let call {
            out.append("\",\"grpcStatus\":\"" as StaticString)
            out.append(call.status.name)
            if call.status.name.utf8CodeUnitCount == 0 { out.append(decimal: UInt64(call.status.rawValue)) }
        }
        out.append("\",\"requestId\":\"" as StaticString)
        out.append(hex: exchange.requestID, digits: 16)
        out.append(0x22)
        if !exchange.correlationID.isEmpty {
            out.append(",\"correlationId\":\"" as StaticString)
            exchange.correlationID.withReadable { out.append($0) }
            out.append(0x22)
        }
        if let id = decisionID {
            out.append(",\"decisionId\":\"" as StaticString)
            out.append(id)
            out.append(0x22)
        }
        if let fields, !fields.isEmpty {
            out.append(",\"fields\":" as StaticString)
            var json = JSONWriter(out)
            json.beginArray()
            for field in fields {
                json.beginObject()
                json.name("field")
                json.string(field.pointer)
                json.name("error")
                json.string(field.error)
                json.endObject()
            }
            json.endArray()
        }
        out.append(0x7d)
        return out.copyReadable()
    }

    /// Of the policy that has refused, as the access log has it: whoever was refused can be told why by it.
    var decisionID: [UInt8]? {
        guard exchange.accessMark.word == .denied else { return nil }
        let out = Buffer(capacity: 32)
        out.append(hex: exchange.requestID, digits: 16)
        out.append(0x2d)
        out.append(hex: UInt64(exchange.accessMark.version), digits: 8)
        return out.copyReadable()
    }

    func headerFields() -> [UInt8] {
        let out = Buffer(capacity: 128)
        challenge(into: out)
        if outcome.retryAfterMS > 0 {
            out.append("Retry-After: " as StaticString)
            out.append(decimal: UInt64((outcome.retryAfterMS + 999) / 1000))
            out.append("\r\n" as StaticString)
        }
        if let proxyStatus {
            out.append("Proxy-Status: nexus-gateway; error=" as StaticString)
            out.append(proxyStatus)
            out.append("\r\n" as StaticString)
        }
        if let allow {
            out.append("Allow: " as StaticString)
            out.append(allow)
            out.append("\r\n" as StaticString)
        }
        return out.copyReadable()
    }

    /// `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3): with every 401, and with whatever else an
    /// outcome says of credentials.
    private func challenge(into out: Buffer) {
        guard outcome.httpStatus == 401 || outcome.challenge != .none else { return }
        out.append("WWW-Authenticate: Bearer realm=\"nexus\"" as StaticString)
        let error = outcome.challenge.error
        if error.utf8CodeUnitCount > 0 {
            out.append(", error=\"" as StaticString)
            out.append(error)
            out.append("\", error_description=\"" as StaticString)
            out.append(outcome.detail)
            out.append(0x22)
        }
        out.append("\r\n" as StaticString)
    }
}

extension String {
    /// Without a card's number or an address: where a member that nobody knows is named, its name is the client's.
    fileprivate var masked: String {
        let text = Array(utf8)
        guard Masking.isSuspicious(text.span) else { return self }
        let out = Buffer(capacity: text.count + 16)
        Masking.mask(text.span, into: out)
        return String(decoding: out.copyReadable(), as: UTF8.self)
    }

    /// Its UTF-8, cut between two characters where it is longer than `most` bytes.
    func bounded(to most: Int) -> [UInt8] {
        guard utf8.count > most else { return Array(utf8) }
        var end = utf8.index(utf8.startIndex, offsetBy: most)
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return Array(utf8[..<end])
    }
}

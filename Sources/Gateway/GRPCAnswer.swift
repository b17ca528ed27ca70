import Exchanges
import Pipeline
import WireGRPC
import WireHTTP

/// Answers of upstreams to gRPC calls: is it one, and how does it end? The messages between are nobody's business.
enum GRPCAnswer {
    /// What the head of an answer is.
    enum Head {
        /// A call's, that goes on.
        case open
        /// A call's, and all of it: its status.
        case whole(UInt32)
        /// Something else: what the client hears instead.
        case other(Outcome)
    }

    /// - Parameter ended: nothing follows.
    static func read(_ block: HTTP2Block, ended: Bool) -> Head {
        var status: UInt32?
        let isCall = block.text.withReadable { text in
            var isCall = false
            for field in block.fields {
                if field.name == .contentType {
                    isCall = Dialect(contentType: text.extracting(field.value.range)) == .grpc
                } else if ended, let number = Self.status(field, text) {
                    status = number
                }
            }
            return isCall
        }
        // Servers that refuse a call in HTTP's terms may say its status too.
        if isCall, let status { return .whole(status) }
        if isCall && block.status == 200 && !ended { return .open }
        return .other(outcome(block.status))
    }

    /// The status, if the field is `grpc-status`. Numbers that gRPC does not know are a service's own; what is no
    /// number is UNKNOWN.
    static func status(_ field: Field, _ text: borrowing Span<UInt8>) -> UInt32? {
        guard field.nameText.count == 11, field.name == .other,
            text.extracting(field.nameText.range).equals("grpc-status")
        else { return nil }
        let number = text.extracting(field.value.range).decimal ?? Int(GRPCStatus.unknown.rawValue)
        return UInt32(clamping: number)
    }

    /// May it go on as a trailer of a call? All metadata may, but what belongs to a connection or frames a message.
    static func isForwardable(trailer field: Field) -> Bool { !connection.contains(field.name) }

    private static let connection: FieldNameSet = {
        var set = ConnectionFields.always
        for name in [.contentLength, .contentType, .trailer, .host, .correlationID] as [FieldName] { set.insert(name) }
        return set
    }()

    /// What an answer that is not gRPC's is to a call; the gRPC statuses are those of SPEC 28.4.
    private static func outcome(_ status: UInt16) -> Outcome {
        let grpc = UInt8(truncatingIfNeeded: GRPCStatus(httpStatus: status).rawValue)
        let text: StaticString = "the upstream's answer was not gRPC"
        switch status {
        case 401: return Outcome(.unauthenticated, grpc: grpc, "the upstream refused the call: who is calling?")
        case 403: return Outcome(.forbidden, grpc: grpc, "the upstream refused the call")
        case 404: return Outcome(.badUpstream, grpc: grpc, "the upstream knows no such method")
        case 200: return Outcome(.badUpstream, grpc: grpc, text)
        case 429, 502, 503, 504: return Outcome(.upstreamUnavailable, grpc: grpc, "the upstream was not available")
        default: return Outcome(.badUpstream, grpc: grpc, text)
        }
    }

    /// What is said at the end of an answer that does not say how its call ended.
    /// - Parameter hasTrailers: it had trailers, without a status among them.
    static func missingStatus(hasTrailers: Bool) -> Outcome {
        hasTrailers
            ? Outcome(.badUpstream, grpc: 2, "the upstream's answer ended without a status")
            : Outcome(.badUpstream, grpc: 13, "the upstream's answer ended without trailers")
    }
}

extension Exchange {
    /// Is it a gRPC call that goes upstream, whatever came in?
    var isCall: Bool { head.dialect == .grpc || translation != nil }

    /// Is it the gateway that meets a request's `Expect`? Origins of calls know nothing of it.
    var isAskedForHere: Bool { body != nil || translation != nil }

    /// May it still be met? Not in the middle of an answer, and not when the client has not waited for it.
    var canBeAskedFor: Bool { isAskedForHere && !bodyBegun && status == 0 }
}

import Exchanges
import Pipeline
import Routes
import WireGRPC
import WireHTTP

/// A request that came in another form and goes upstream as a gRPC call: what differs from forwarding it.
/// Method, path and content type are the call's; fields that described the client's own body end here.
/// All others are the call's metadata, as they came.
extension ForwardedRequest {
    /// Fields of a translated request that do not go on, beside those that never do.
    static let replacedInCalls: FieldNameSet = {
        var set = replaced
        set.insert(.contentType)
        set.insert(.accept)
        return set
    }()

    /// Codings of the client's body or answer: they say nothing of gRPC's messages. Those of messages that the
    /// gateway makes and reads itself are not the client's to choose.
    static func isCoding(_ field: Field, _ text: borrowing Span<UInt8>, of dialect: Dialect) -> Bool {
        guard field.name == .other else { return false }
        let name = text.extracting(field.nameText.range)
        if name.equalsIgnoringCase("accept-encoding") || name.equalsIgnoringCase("content-encoding") { return true }
        guard dialect == .http || dialect == .connect else { return false }
        return name.equalsIgnoringCase("grpc-encoding") || name.equalsIgnoringCase("grpc-accept-encoding")
    }

    /// The call's path: the translation's, or the client's own without its query.
    static func callTarget(
        _ call: any Translation, _ exchange: Exchange, _ table: RouteTable, _ text: borrowing Span<UInt8>, _ out: Buffer
    ) {
        if let path = call.callPath { return out.append(path) }
        path(exchange, table, text, out)
    }

    /// gRPC's own fields (its HTTP/2 mapping, "Call-Definition"). A call's length is not said: messages may
    /// be larger or smaller than what they are made of.
    static func callFields(_ exchange: Exchange, _ text: borrowing Span<UInt8>, _ out: FieldEntries) {
        out.block.add("te", "trailers" as StaticString)
        out.begin(.contentType, "Content-Type", "content-type")
        out.text.append("application/grpc" as StaticString)
        switch exchange.head.dialect {
        case .grpcWeb, .grpcWebText:
            if let asked = exchange.head.first(.contentType) {
                let value = text.extracting(asked.value.range)
                out.text.append(GRPCWebType.format(of: value), of: value)
            }
        case .http, .grpc, .soap, .eventStream, .webSocket, .mqtt, .connect: break
        }
        out.finish()
    }
}

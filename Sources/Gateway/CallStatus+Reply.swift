import EventCore
import Exchanges
import Pipeline
import WireGRPC

/// How a call's end is told to a client that speaks JSON.
extension CallStatus {
    /// - Parameter fields: whole lines of metadata that go along.
    func reply(of exchange: Exchange, fields: [UInt8]) -> LocalReply {
        var problem = Problem(
            outcome, exchange,
            fields: GRPCErrorDetails.violations(in: details).map { Invalid.Field(path: $0.field, $0.description) })
        problem.call = self
        var reply = problem.reply()
        reply.fields += fields
        return reply
    }

    /// The ending that is nearest; the HTTP status is that of SPEC 28.4.
    private var outcome: Outcome {
        let code: Code =
            switch status {
            case .ok: .ok
            case .cancelled: .cancelled
            case .invalidArgument, .outOfRange: .validationError
            case .deadlineExceeded: .deadline
            case .notFound: .notFound
            case .permissionDenied: .forbidden
            case .unauthenticated: .unauthenticated
            case .resourceExhausted: .rateLimited
            case .failedPrecondition, .alreadyExists: .illegalState
            case .aborted: .versionConflict
            case .unimplemented: .unsupported
            case .unavailable: .upstreamUnavailable
            default: .internalError
            }
        return Outcome(code, status: status.httpStatus)
    }
}

/// A place in a request as JSON says it (RFC 6901), and as `google.rpc.BadRequest` does.
extension Invalid.Field {
    /// `item.quantity`, `items[2].id`
    init(path: String, _ error: String) {
        var pointer = ""
        for part in path.split(whereSeparator: { $0 == "." || $0 == "[" || $0 == "/" }) {
            pointer += "/" + (part.hasSuffix("]") ? String(part.dropLast()) : String(part))
        }
        self.init(pointer, error)
    }

    var path: String {
        var path = ""
        for part in pointer.split(separator: "/") {
            if part.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
                path += "[\(part)]"
            } else {
                path += path.isEmpty ? String(part) : ".\(part)"
            }
        }
        return path
    }
}

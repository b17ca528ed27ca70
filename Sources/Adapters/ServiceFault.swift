import EventCore
import Exchanges
import Settings
import WireGRPC

/// Why a service has not done what it was asked.
struct ServiceFault: Error, Sendable, Equatable {
    enum Kind: Sendable {
        /// A no that stays one.
        case refused
        /// It has certainly not been done; asking again may help.
        case unavailable
        /// Nobody here knows whether it has been done.
        case unknown
    }

    var kind: Kind
    /// gRPC's, any number; nil when the service speaks HTTP, or has said nothing one can read.
    var code: UInt32?
    var text: String

    init(_ kind: Kind, code: UInt32?, _ text: String) {
        self.kind = kind
        self.code = code
        self.text = ShownText.bounded(text)
    }

    /// What a gRPC status other than OK says.
    ///
    /// A status that a proxy, a dying server or a library may give in the method's place proves nothing about the
    /// method. UNAVAILABLE and RESOURCE_EXHAUSTED mostly mean that it never ran, but the protocol does not promise
    /// it, so that is for whoever knows the service to say.
    init(grpcStatus: UInt32, _ message: String, away: CheckoutSettings.Service.Unavailable) {
        let kind: Kind =
            switch GRPCStatus(rawValue: grpcStatus) {
            case .unavailable, .resourceExhausted: away == .notDone ? .unavailable : .unknown
            case .cancelled, .unknown, .deadlineExceeded: .unknown
            default: .refused
            }
        self.init(kind, code: grpcStatus, message)
    }

    /// What an HTTP status outside 2xx says, by the same thoughts.
    init(httpStatus: UInt32, _ message: String, away: CheckoutSettings.Service.Unavailable) {
        let kind: Kind =
            switch httpStatus {
            case 429, 503: away == .notDone ? .unavailable : .unknown
            case 408, 425: .unknown
            case 400..<500: .refused
            default: .unknown
            }
        self.init(kind, code: nil, message.isEmpty ? "HTTP status \(httpStatus)" : message)
    }

    /// The service has not answered.
    init(_ outcome: Outcome, mayHaveRun: Bool) {
        self.init(mayHaveRun ? .unknown : .unavailable, code: GRPCStatus(outcome).rawValue, "\(outcome.detail)")
    }

    /// The service says that it has done it, in words nobody can read.
    static let unreadable = ServiceFault(.unknown, code: GRPCStatus.internalError.rawValue, "the answer cannot be read")
    /// Its time was over before the call was made.
    static let late = ServiceFault(.unavailable, code: GRPCStatus.deadlineExceeded.rawValue, "context deadline exceeded")

    var failure: Failure { Failure(reason: text, grpcCode: code) }
    /// As the legacy checkout wrote it: `rpc error: code = Unavailable desc = …`.
    var described: String { StatusText.described(code, text) }
    /// Can it be that the service is well again soon?
    var isPassing: Bool { kind != .refused }
}

/// Statuses of gRPC in the words that the shop's clients have always read.
enum StatusText {
    private static let names = [
        "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
        "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
        "Internal", "Unavailable", "DataLoss", "Unauthenticated",
    ]

    static func described(_ code: UInt32?, _ text: String) -> String {
        let code = code ?? GRPCStatus.unknown.rawValue
        let name = code < UInt32(names.count) ? names[Int(code)] : "Code(\(code))"
        return "rpc error: code = \(name) desc = \(text)"
    }

    /// Text in quotes, with what would end them or the line escaped.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\x" + (digits.count < 2 ? "0" : "") + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

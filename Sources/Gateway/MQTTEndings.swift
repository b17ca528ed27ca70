import Exchanges
import Identity
import Pipeline
import WireMQTT

/// How an exchange ended, in MQTT's words: the one table for CONNACK, PUBACK, PUBREC, SUBACK and DISCONNECT.
struct MQTTEnding {
    let outcome: Outcome
    /// For people, on one line, of at most 386 bytes (`Problem`), so that `PacketWriter` cuts none; empty = nothing is said.
    let text: [UInt8]

    init(_ outcome: Outcome, text: [UInt8] = []) {
        self.outcome = outcome
        self.text = text.isEmpty ? Array("\(outcome.detail)".utf8) : text
    }

    /// Of a whole answer. Nil = it was done.
    init?(_ reply: LocalReply) {
        if let outcome = reply.outcome {
            self.init(outcome, text: reply.body)
        } else {
            self.init(status: reply.status)
        }
    }

    /// Of what a cluster has answered. Nil = it was done.
    init?(status: UInt16) {
        switch status {
        case 100..<300: return nil
        case 401: self.init(Outcome(.unauthenticated, status: status, "the service wants another credential"))
        case 403: self.init(Outcome(.forbidden, status: status, "the service does not allow it"))
        case 404, 410: self.init(Outcome(.notFound, status: status, "the service does not know it"))
        case 408: self.init(Outcome(.deadline, status: status, "the service has waited for too long"))
        case 409, 412: self.init(Outcome(.illegalState, status: status, "the service refuses it as things stand"))
        case 413: self.init(Outcome(.tooLarge, status: status, "the message is larger than the service takes"))
        case 429: self.init(Outcome(.rateLimited, status: status, "the service takes no more for now"))
        case 503: self.init(Outcome(.upstreamUnavailable, status: status, "the service is not there"))
        case 504: self.init(Outcome(.deadline, status: status, "the service took too long"))
        case 400..<500: self.init(Outcome(.validationError, status: status, "the service refuses the message"))
        default: self.init(Outcome(.badUpstream, status: status, "the service has failed"))
        }
    }

    var connectReason: ReasonCode { ReasonCode(rawValue: outcome.code.mqttConnectReason) ?? .unspecifiedError }
    var publishReason: ReasonCode { ReasonCode(rawValue: outcome.code.mqttReason) ?? .unspecifiedError }
    var subscribeReason: ReasonCode { ReasonCode(rawValue: outcome.code.mqttSubscribeReason) ?? .unspecifiedError }

    /// The same message may be taken later: who cannot be told why is made to send it again.
    var isTemporary: Bool {
        switch outcome.code {
        case .upstreamUnavailable, .badUpstream, .deadline, .cancelled, .requestInProgress, .internalError: true
        case .versionConflict: outcome.status != 412
        default: false
        }
    }

    /// A service has taken the message and failed on it, as it may do each time. One that is not there has not.
    var isFailure: Bool { outcome.code == .badUpstream && outcome.httpStatus != 502 }

    /// Kept for people though its sender hears why: nobody will send it again in a better form.
    var isPoison: Bool {
        switch outcome.code {
        case .validationError, .notFound, .noRoute, .tooLarge, .illegalState, .unsupported: true
        default: false
        }
    }
}

extension CredentialFault {
    /// In DISCONNECT, when a credential that was good is none any more.
    var disconnectReason: ReasonCode { self == .expired ? .maximumConnectTime : .notAuthorized }
}

import Exchanges

/// Why an upstream gave no (whole) answer: the outcome for the client, the RFC 9209 error token for
/// `Proxy-Status`, and whether the request can be shown not to have been processed.
enum UpstreamFault: UInt8, Sendable, BitwiseCopyable {
    /// The connection could not be made.
    case refused, connectTimeout
    /// The TLS handshake failed: over the certificate, or over anything else.
    case tlsCertificate, tlsProtocol
    /// It was not done in time.
    case tlsTimeout
    /// No address is known for the name.
    case unresolved
    /// No connection became free in time, or too many already wait.
    case saturated
    /// The endpoint said that it has not looked at the request (REFUSED_STREAM, GOAWAY).
    case unprocessed
    /// The connection ended before the head of the answer.
    case terminated
    /// The connection ended inside the answer.
    case incomplete
    /// The answer is not HTTP, or not one that can be read in one way only.
    case protocolError
    /// The answer did not begin in time, or stopped.
    case timeout
    /// The upstream reset the request's stream: CANCEL, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, or anything else
    /// that does not say what was wrong.
    case streamCancelled, streamUnwelcome, streamInsecure, streamReset

    var outcome: Outcome {
        switch self {
        case .refused: Outcome(.badUpstream, "the upstream refused the connection")
        // gRPC's clients take DEADLINE_EXCEEDED for the end of their own patience.
        case .connectTimeout: Outcome(.deadline, grpc: 14, "connecting to the upstream took too long")
        case .tlsCertificate: Outcome(.badUpstream, "the upstream's certificate was not accepted")
        case .tlsProtocol: Outcome(.badUpstream, "the TLS handshake with the upstream failed")
        case .tlsTimeout: Outcome(.deadline, grpc: 14, "the TLS handshake with the upstream took too long")
        case .unresolved: Outcome(.badUpstream, "the upstream's name has no address")
        case .saturated: Outcome(.upstreamUnavailable, "every connection to the upstream is busy", retryAfterMS: 1000)
        case .unprocessed: Outcome(.upstreamUnavailable, "the upstream took no more requests", retryAfterMS: 1000)
        case .terminated: Outcome(.badUpstream, "the upstream closed the connection without an answer")
        case .incomplete: Outcome(.badUpstream, "the upstream's answer was cut short")
        case .protocolError: Outcome(.badUpstream, grpc: 13, "the upstream's answer was malformed")
        case .timeout: Outcome(.deadline, "the upstream did not answer in time")
        case .streamCancelled: Outcome(.badUpstream, grpc: 1, "the upstream cancelled the request")
        case .streamUnwelcome: Outcome(.badUpstream, grpc: 8, "the upstream had too much to do")
        case .streamInsecure: Outcome(.badUpstream, grpc: 7, "the upstream wants a better protected connection")
        case .streamReset: Outcome(.badUpstream, grpc: 13, "the upstream gave the request up")
        }
    }

    /// RFC 9209 section 2.3.
    var proxyStatus: StaticString {
        switch self {
        case .refused: "connection_refused"
        case .connectTimeout, .tlsTimeout: "connection_timeout"
        case .tlsCertificate: "tls_certificate_error"
        case .tlsProtocol: "tls_protocol_error"
        case .unresolved: "dns_error"
        case .saturated: "connection_limit_reached"
        case .unprocessed: "destination_unavailable"
        case .terminated, .streamCancelled, .streamUnwelcome, .streamInsecure, .streamReset: "connection_terminated"
        case .incomplete: "http_response_incomplete"
        case .protocolError: "http_protocol_error"
        case .timeout: "http_response_timeout"
        }
    }

    /// Nothing of the request can have reached whatever would act on it.
    var isUnprocessed: Bool {
        switch self {
        case .refused, .connectTimeout, .tlsCertificate, .tlsProtocol, .tlsTimeout, .unresolved, .unprocessed: true
        case .saturated, .terminated, .incomplete, .protocolError, .timeout: false
        case .streamCancelled, .streamUnwelcome, .streamInsecure, .streamReset: false
        }
    }
}

import EventCore
import Exchanges
import Settings
import WireGRPC

/// What all calls of one piece of work share.
struct CallFrame: Sendable {
    /// When the work must be over.
    var until: ContinuousClock.Instant
    /// The same for every attempt of a step; nil = a question, which may be asked as often as one likes.
    var key: String?
    /// Copied into the calls (SPEC D-2).
    var metadata: Metadata

    init(milliseconds: UInt32, key: String? = nil, metadata: Metadata) {
        until = .now + .milliseconds(Int64(milliseconds))
        self.key = key
        self.metadata = metadata
    }

    /// What is left, but no more than `most`; 0 = nothing.
    func milliseconds(atMost most: UInt32) -> UInt32 {
        let left = until - .now
        guard left > .zero else { return 0 }
        return UInt32(min(Double(most), (left / .milliseconds(1)).rounded(.up)))
    }
}

/// A service that checkout calls: where it is, how long it may take, what it can do.
struct Service: Sendable {
    private let calls: any CallOut
    let settings: CheckoutSettings.Service

    init(_ settings: CheckoutSettings.Service, _ calls: any CallOut) {
        self.settings = settings
        self.calls = calls
    }

    /// A unary method.
    /// - Parameter path: `/package.Service/Method`.
    /// - Returns: its message.
    func call(_ path: String, _ message: [UInt8], _ frame: CallFrame) async throws(ServiceFault) -> [UInt8] {
        switch try await answer(.grpc(path: path), message, frame) {
        case .answered(0, _, let body): return body
        case .answered(let status, let text, _):
            throw ServiceFault(grpcStatus: status, text, away: settings.unavailable)
        case .failed(let outcome, let mayHaveRun): throw ServiceFault(outcome, mayHaveRun: mayHaveRun)
        }
    }

    /// A resource that takes JSON.
    /// - Returns: its body.
    func post(_ path: String, _ json: [UInt8], _ frame: CallFrame) async throws(ServiceFault) -> [UInt8] {
        let form = OutboundCall.Form.http(verb: "POST", path: path, contentType: "application/json")
        switch try await answer(form, json, frame) {
        case .answered(200..<300, _, let body): return body
        case .answered(let status, _, let body):
            throw ServiceFault(httpStatus: status, ServiceJSON.reason(in: body), away: settings.unavailable)
        case .failed(let outcome, let mayHaveRun): throw ServiceFault(outcome, mayHaveRun: mayHaveRun)
        }
    }

    private func answer(
        _ form: OutboundCall.Form, _ body: [UInt8], _ frame: CallFrame
    ) async throws(ServiceFault) -> OutboundAnswer {
        let timeout = frame.milliseconds(atMost: settings.timeout)
        guard timeout > 0 else { throw .late }
        var call = OutboundCall(cluster: settings.cluster, form: form, body: body, timeoutMS: timeout)
        if let key = frame.key { call.fields = [("idempotency-key", key)] }
        call.correlationId = frame.metadata.correlationId
        call.traceparent = frame.metadata.traceparent
        return await calls.call(call)
    }
}

import Contracts
import EventCore
import Exchanges
import Pipeline
import WireGRPC

/// An error in the Connect protocol's form: a JSON object with gRPC's status by name, and the HTTP status that
/// stands for it.
extension Problem {
    func connectError() -> LocalReply {
        let status = call?.status ?? GRPCStatus(outcome)
        let body = Buffer(capacity: 128)
        var json = JSONWriter(body)
        json.beginObject()
        json.name("code")
        // Numbers that gRPC does not know have no name.
        json.string(status.name.utf8CodeUnitCount == 0 ? "unknown" : "\(status.name)".lowercased())
        let message = call?.message ?? text?.bounded(to: 4096) ?? Array("\(outcome.detail)".utf8)
        if !message.isEmpty {
            json.name("message")
            json.string(String(decoding: message, as: UTF8.self))
        }
        let details = call?.details ?? ownDetails(status)
        if !details.isEmpty {
            json.name("details")
            json.beginArray()
            for detail in GRPCErrorDetails.packed(in: details) {
                json.beginObject()
                json.name("type")
                json.string(detail.type)
                json.name("value")
                let value = Buffer(capacity: detail.value.count * 2 + 4)
                GRPCBinary.encode(detail.value.span, into: value)
                json.string(utf8: value.copyReadable())
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
        exchange.grpcStatus = status.rawValue
        return LocalReply(status: status.httpStatus, body: body.copyReadable(), fields: headerFields())
    }

    private func ownDetails(_ status: GRPCStatus) -> [UInt8] {
        guard let fields, !fields.isEmpty else { return [] }
        var details = GRPCErrorDetails()
        details.violations = fields.map { ($0.path, $0.error) }
        return details.encoded(status, message: [])
    }
}

import Exchanges
import Pipeline
import WireGRPC

/// A call of `grpc.health.v1.Health`, as the gRPC health checking protocol asks: whether the gateway, or a
/// service behind it, takes calls. A service is one that has a route; how its cluster does is no matter here.
final class HealthCall: LocalCall {
    /// `HealthCheckResponse.ServingStatus`
    private enum Status: UInt64 { case serving = 1, notServing, serviceUnknown }

    /// What is asked for; nil = it has not been said yet.
    private var service: String?
    private var isWatch = false
    private var last: Status?

    override func received(_ message: borrowing Span<UInt8>) {
        guard service == nil else { return finish(.tooManyMessages) }
        guard let asked = Self.service(in: message) else { return finish(.unreadableMessage) }
        service = asked
    }

    /// `HealthCheckRequest { string service = 1; }`
    private static func service(in message: borrowing Span<UInt8>) -> String? {
        var fields = ProtobufFieldReader()
        var service = ""
        do throws(ProtobufFieldReader.Fault) {
            while let field = try fields.next(message) {
                if field.number == 1, case .bytes(let name) = field.value { service = message.extracting(name.range).text }
            }
        } catch {
            return nil
        }
        return service
    }

    override func requestEnded() {
        guard last == nil, let exchange else { return }
        guard service != nil else { return finish(.missingMessage) }
        if exchange.calls("Watch") {
            isWatch = true
            worker.healthWatches[ObjectIdentifier(self)] = self
            look()
        } else if exchange.calls("Check") {
            let status = status
            guard status != .serviceUnknown else { return finish(Outcome(.notFound, "unknown service")) }
            say(status)
            finish()
        } else {
            finish(Outcome(.unsupported, "the service has no such method"))
        }
    }

    override func isOver() {
        if isWatch { worker.healthWatches[ObjectIdentifier(self)] = nil }
    }

    /// Tells a watching client what has changed. What drains will not serve again: that is the call's end.
    func look() {
        let now = status
        if now != last {
            say(now)
            exchange?.wire?.flush()
        }
        if worker.isDraining { finish(Outcome(.upstreamUnavailable, "the gateway is going")) }
    }

    private func say(_ status: Status) {
        last = status
        var message = ProtobufText()
        message.add(1, status.rawValue)
        say(message.bytes)
    }

    private var status: Status {
        guard let service else { return .serviceUnknown }
        if !service.isEmpty, worker.eras[Int(worker.currentEra)]?.services.contains(service) != true { return .serviceUnknown }
        return worker.isReady ? .serving : .notServing
    }
}

import Reactor
import Settings
import Telemetry

final class NameWatch: Sendable {
    init(_ configuration: Configuration, log: Log, changed: @escaping @Sendable (String, [SocketAddress]) -> Void) throws {}
    func watch(_ configuration: Configuration) {}
    func close() {}
}

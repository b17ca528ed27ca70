import Reactor
import Settings
import Synchronization
import Telemetry
import Threads

/// Keeps the addresses of the names that clusters use up to date, and tells of each change.
final class NameWatch: Sendable {
    private let resolver: Reactor.Resolver
    private let log: Log
    private let changed: @Sendable (String, [SocketAddress]) -> Void
    private let watched = Mutex<[String: Reactor.Resolver.Watch]>([:])

    init(_ configuration: Configuration, log: Log, changed: @escaping @Sendable (String, [SocketAddress]) -> Void)
        throws(SystemError)
    {
        var settings = ResolverSettings()
        settings.servers = configuration.resolver.servers.map(\.description)
        settings.minimumTTL = max(1, configuration.resolver.minTTL / 1000)
        settings.maximumTTL = max(1, configuration.resolver.maxTTL / 1000)
        settings.timeoutMS = Int32(clamping: configuration.resolver.timeout)
        settings.tries = Int32(clamping: configuration.resolver.tries)
        resolver = try Reactor.Resolver(settings)
        self.log = log
        self.changed = changed
    }

    /// Watches exactly the names of this configuration.
    func watch(_ configuration: Configuration) {
        let names = Set(configuration.clusters.flatMap(\.endpoints).compactMap(\.hostName))
        watched.withLock { watched in
            for (name, watch) in watched where !names.contains(name) {
                resolver.unwatch(watch)
                watched[name] = nil
            }
            for name in names where watched[name] == nil {
                watched[name] = resolver.watch(name) { [log, changed] resolution in
                    switch resolution {
                    case .addresses(let found, _, _): changed(name, found)
                    case .failure(let why):
                        log.warning("a name could not be resolved", ["name": name, "why": "\(why)"])
                        changed(name, [])
                    }
                }
            }
        }
    }

    func close() { resolver.stop() }
}

internal import CShim
internal import Glibc
import Synchronization
public import Threads

/// Names to addresses, off the workers: one thread with c-ares and its own poll loop.
///
/// Workers and the control plane ask from any thread; answers are delivered on the resolver's thread
/// (a worker passes them on to its mailbox), so `deliver` must be quick. Questions for one name share
/// one query. Answers are kept for their time to live, and used past it while the servers fail.
/// IP literals never get here as queries: they are answered in place.
public final class Resolver: Sendable {
    public typealias Delivery = @Sendable (Resolution) -> Void

    private let inbox: ResolverInbox
    private let thread: NamedThread

    /// Starts the thread.
    /// - Throws: when the thread, its wake-up or c-ares cannot be had, or `settings.servers` is unusable.
    public init(_ settings: ResolverSettings = ResolverSettings()) throws(SystemError) {
        let inbox = try ResolverInbox(capacity: settings.queue)
        // c-ares is created on its thread; what goes wrong there has to come back before `init` returns.
        let started = ResolverStart()
        thread = try NamedThread(name: "resolver") {
            guard let loop = ResolverLoop(settings, inbox: inbox, started: started) else { return }
            loop.run()
        }
        if let problem = started.wait() {
            thread.join()
            throw SystemError("resolver: \(problem)", code: EINVAL)
        }
        self.inbox = inbox
    }

    deinit { stop() }

    /// Asks once. `deliver` is called exactly once, possibly before this returns.
    public func resolve(_ host: String, deliver: @escaping Delivery) {
        if let literal = SocketAddress(literal: host, port: 0) {
            return deliver(.addresses([literal], secondsToLive: .max, isStale: false))
        }
        guard ResolverName.isAcceptable(host) else { return deliver(.failure(.badName)) }
        if let refusal = inbox.put(.resolve(ResolverName.canonical(host), deliver)) { deliver(.failure(refusal)) }
    }

    /// Names a watch, to end it.
    public struct Watch: Sendable, Hashable {
        let number: UInt64
    }

    /// Follows a name: delivers the first answer (or failure), then only changes of the set of
    /// addresses. The name is asked again when its answer expires; while the servers fail, the last
    /// known addresses stay and nothing is delivered.
    /// - Returns: nil when the queue is full or the resolver stopped; nothing is delivered then.
    public func watch(_ host: String, onChange: @escaping Delivery) -> Watch? {
        let watch = Watch(number: inbox.nextNumber())
        if let literal = SocketAddress(literal: host, port: 0) {
            onChange(.addresses([literal], secondsToLive: .max, isStale: false))
            return watch
        }
        guard ResolverName.isAcceptable(host) else {
            onChange(.failure(.badName))
            return watch
        }
        return inbox.put(.watch(watch.number, ResolverName.canonical(host), onChange)) == nil ? watch : nil
    }

    /// Ends a watch; an answer already on its way may still be delivered.
    public func unwatch(_ watch: Watch) { _ = inbox.put(.unwatch(watch.number), always: true) }

    /// Ends the thread. Open questions are answered with `.stopped`. Not to be called from a delivery.
    public func stop() {
        inbox.stop()
        thread.join()
    }
}

/// How names are resolved. Times in milliseconds or seconds as named.
public struct ResolverSettings: Sendable {
    /// `address[:port]`, `[v6]:port`; empty = the system's (`/etc/resolv.conf`).
    public var servers: [String] = []
    /// What a record says is believed between these bounds (seconds).
    public var minimumTTL: UInt32 = 1
    public var maximumTTL: UInt32 = 300
    /// Per try and server.
    public var timeoutMS: Int32 = 2000
    public var tries: Int32 = 2
    /// How long past its time an answer is still used while the servers fail (seconds).
    public var staleSeconds: UInt32 = 3600
    /// Questions that may wait to be taken up.
    public var queue = 1024
    /// Names that are remembered.
    public var names = 4096
    /// Addresses of one name that are used.
    public var addressesPerName = 256
    public init() {}
}

/// The answer to a question for a name.
public enum Resolution: Sendable, Hashable {
    /// In the order the server gave; ports are 0. Never empty.
    /// `isStale`: the servers failed, this is the last that was known.
    case addresses([SocketAddress], secondsToLive: UInt32, isStale: Bool)
    case failure(ResolveFailure)
}

/// Why there is no address.
public enum ResolveFailure: Sendable, Hashable {
    /// The name does not exist, or has no address.
    case notFound
    /// The servers answered with an error, refused, or sent nonsense.
    case serverFailed
    case timedOut
    /// Not a host name.
    case badName
    /// Too many questions wait.
    case busy
    case stopped
}

/// What may be asked for (RFC 1123 section 2.1, RFC 1035 section 2.3.4; `_` as found in the wild).
enum ResolverName {
    static func isAcceptable(_ host: String) -> Bool {
        var name = Substring(host).utf8
        if name.last == UInt8(ascii: ".") { name = name.dropLast() }
        guard name.count >= 1 && name.count <= 253 else { return false }
        return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            label.count >= 1 && label.count <= 63 && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { byte in
                    byte | 0x20 >= 97 && byte | 0x20 <= 122 || byte >= 48 && byte <= 57 || byte == UInt8(ascii: "-")
                        || byte == UInt8(ascii: "_")
                }
        }
    }

    static func canonical(_ host: String) -> String { host.lowercased() }
}

internal import CCares
internal import CShim
internal import Glibc

/// The resolver's thread: owns the c-ares channel, the cache and the watches. Nothing here is shared.
final class ResolverLoop {
    private let settings: ResolverSettings
    private let inbox: ResolverInbox
    private var channel: ares_channel?
    private var interest: [Int32: Int16] = [:]  // c-ares's sockets and what it waits for on each
    private var names: [String: ResolverEntry] = [:]
    private var watches: [UInt64: String] = [:]

    /// Reports to `started` either way; nil when c-ares could not be set up.
    init?(_ settings: ResolverSettings, inbox: ResolverInbox, started: ResolverStart) {
        self.settings = settings
        self.inbox = inbox
        if let problem = openChannel() {
            started.report(problem)
            return nil
        }
        started.report(nil)
    }

    private func openChannel() -> String? {
        var status = Self.library
        guard status == 0 else { return Self.text(status) }
        var options = ares_options()
        options.timeout = settings.timeoutMS
        options.tries = settings.tries
        options.sock_state_cb = { data, socket, readable, writable in
            guard let data else { return }
            let loop = Unmanaged<ResolverLoop>.fromOpaque(data).takeUnretainedValue()
            loop.watchSocket(socket, readable != 0, writable != 0)
        }
        options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
        status = "fb".withCString { lookups in  // the hosts file, then DNS
            options.lookups = UnsafeMutablePointer(mutating: lookups)
            return ares_init_options(
                &channel, &options,
                Int32(ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS))
        }
        guard status == 0 else { return Self.text(status) }
        if !settings.servers.isEmpty {
            status = ares_set_servers_ports_csv(channel, settings.servers.joined(separator: ","))
            guard status == 0 else {
                ares_destroy(channel)
                return "servers \(settings.servers): \(Self.text(status))"
            }
        }
        return nil
    }

    /// Set up once for the process, because c-ares asks for one thread at a time there; never undone.
    private static let library = ares_library_init(ARES_LIB_INIT_ALL)

    private static func text(_ status: Int32) -> String { ares_strerror(status).map { String(cString: $0) } ?? "error" }

    private func watchSocket(_ socket: Int32, _ readable: Bool, _ writable: Bool) {
        let events = Int16((readable ? POLLIN : 0) | (writable ? POLLOUT : 0))
        interest[socket] = events == 0 ? nil : events
    }

    // MARK: - The loop

    func run() {
        while true {
            let (requests, isStopped) = inbox.takeAll()
            if isStopped {
                for request in requests { refuse(request) }
                break
            }
            let now = nx_monotonic_ns()
            for request in requests { take(request, now) }
            refreshDue(now)
            wait()
        }
        // Ends every query with ARES_EDESTRUCTION, which delivers `.stopped`.
        ares_destroy(channel)
        channel = nil
    }

    private func refuse(_ request: ResolverRequest) {
        if case .resolve(_, let deliver) = request { deliver(.failure(.stopped)) }
    }

    private func take(_ request: ResolverRequest, _ now: UInt64) {
        switch request {
        case .resolve(let name, let deliver):
            guard let entry = entry(for: name, now) else { return deliver(.failure(.busy)) }
            if let fresh = entry.fresh(now) { return deliver(fresh) }
            entry.waiting.append(deliver)
            ask(entry)
        case .watch(let number, let name, let onChange):
            guard let entry = entry(for: name, now) else { return onChange(.failure(.busy)) }
            watches[number] = name
            entry.watchers[number] = onChange
            if let fresh = entry.fresh(now) {
                onChange(fresh)
            } else {
                entry.unanswered.append(number)
                ask(entry)
            }
        case .unwatch(let number):
            guard let name = watches.removeValue(forKey: number) else { return }
            names[name]?.watchers[number] = nil
        }
    }

    /// The name's place; makes room by forgetting what nobody waits for and is oldest.
    private func entry(for name: String, _ now: UInt64) -> ResolverEntry? {
        if let known = names[name] { return known }
        if names.count >= settings.names {
            let idle = names.values.filter { $0.isIdle }.sorted { $0.expires < $1.expires }
            for old in idle.prefix(max(1, settings.names / 16)) { names[old.name] = nil }
            guard names.count < settings.names else { return nil }
        }
        let entry = ResolverEntry(name: name, loop: self)
        names[name] = entry
        return entry
    }

    private func refreshDue(_ now: UInt64) {
        for name in watches.values {
            if let entry = names[name], entry.nextAsk <= now { ask(entry) }
        }
    }

    /// Sleeps until a socket, the bell, a query's time-out or a watch's refresh.
    private func wait() {
        var limit = Int32.max
        let now = nx_monotonic_ns()
        for name in watches.values {
            guard let entry = names[name], !entry.isAsking else { continue }
            let left = entry.nextAsk > now ? (entry.nextAsk - now) / 1_000_000 + 1 : 0
            limit = min(limit, Int32(clamping: left))
        }
        var next = timeval()
        if ares_timeout(channel, nil, &next) != nil {
            limit = min(limit, Int32(clamping: Int64(next.tv_sec) * 1000 + Int64(next.tv_usec) / 1000 + 1))
        }
        var polled = [pollfd(fd: inbox.bell, events: Int16(POLLIN), revents: 0)]
        for (socket, events) in interest { polled.append(pollfd(fd: socket, events: events, revents: 0)) }
        _ = poll(&polled, nfds_t(polled.count), limit == .max ? -1 : limit)
        if polled[0].revents != 0 { nx_eventfd_clear(inbox.bell) }
        let bad = ARES_SOCKET_BAD
        for ready in polled.dropFirst() where ready.revents != 0 {
            let events = Int32(ready.revents)
            let isReadable = events & (POLLIN | POLLERR | POLLHUP) != 0
            ares_process_fd(channel, isReadable ? ready.fd : bad, events & POLLOUT != 0 ? ready.fd : bad)
        }
        ares_process_fd(channel, bad, bad)  // time-outs
    }

    // MARK: - Queries

    private func ask(_ entry: ResolverEntry) {
        guard !entry.isAsking else { return }
        entry.isAsking = true
        var hints = ares_addrinfo_hints()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        // Sorting would open a socket per address to ask the kernel for its route.
        hints.ai_flags = ARES_AI_NOSORT
        // Balanced by the callback, which c-ares promises to call exactly once for each query.
        let argument = Unmanaged.passRetained(entry).toOpaque()
        ares_getaddrinfo(
            channel, entry.name, nil, &hints,
            { argument, status, _, result in
                guard let argument else { return }
                let entry = Unmanaged<ResolverEntry>.fromOpaque(argument).takeRetainedValue()
                entry.loop?.answered(entry, status, result)
                if let result { ares_freeaddrinfo(result) }
            }, argument)
    }

    private func answered(_ entry: ResolverEntry, _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) {
        let now = nx_monotonic_ns()
        entry.isAsking = false
        if status == 0, let result {
            let (found, ttl) = read(result.pointee)
            if found.isEmpty {
                entry.failed(.notFound, now, settings)
            } else {
                entry.succeeded(found, ttl: ttl, now)
            }
        } else {
            entry.failed(Self.failure(status), now, settings)
        }
    }

    private static func failure(_ status: Int32) -> ResolveFailure {
        switch status {
        case ARES_ENOTFOUND, ARES_ENODATA, ARES_ENONAME: .notFound
        case ARES_ETIMEOUT: .timedOut
        case ARES_EBADNAME, ARES_EBADQUERY: .badName
        case ARES_EDESTRUCTION, ARES_ECANCELLED: .stopped
        default: .serverFailed
        }
    }

    /// Addresses without repetition, and the smallest time to live on the way to them, aliases included.
    private func read(_ answer: ares_addrinfo) -> ([SocketAddress], UInt32) {
        var found: [SocketAddress] = []
        var seen = Set<SocketAddress>()
        var ttl = UInt32.max
        var node = answer.nodes
        while let this = node, found.count < settings.addressesPerName {
            var storage = sockaddr_storage()
            if let address = this.pointee.ai_addr, Int(this.pointee.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size {
                withUnsafeMutableBytes(of: &storage) {
                    $0.copyMemory(
                        from: UnsafeRawBufferPointer(start: address, count: Int(this.pointee.ai_addrlen)))
                }
                if let parsed = SocketAddress(storage)?.withPort(0), seen.insert(parsed).inserted { found.append(parsed) }
            }
            ttl = min(ttl, UInt32(clamping: this.pointee.ai_ttl))
            node = this.pointee.ai_next
        }
        var alias = answer.cnames
        while let this = alias {
            ttl = min(ttl, UInt32(clamping: this.pointee.ttl))
            alias = this.pointee.next
        }
        return (found, min(max(ttl, settings.minimumTTL), settings.maximumTTL))
    }
}

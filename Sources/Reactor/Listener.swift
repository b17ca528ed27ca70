internal import CShim
internal import Glibc
public import Threads

/// A bound, listening socket. Made before the workers start, so that every bind problem is known
/// at once; one a worker with `SO_REUSEPORT`, so that the kernel spreads connections.
public struct ListeningSocket: Sendable {
    public let descriptor: Int32
    /// With the real port when 0 was asked for.
    public let address: SocketAddress

    /// - Parameters:
    ///   - backlog: completed connections the kernel may hold for `accept`.
    ///   - shared: whether other sockets of this process will be bound to the same address.
    public init(_ address: SocketAddress, backlog: Int32, shared: Bool) throws(SystemError) {
        let fd = nx_socket(address.family)
        guard fd >= 0 else { throw SystemError("socket") }
        do throws(SystemError) {
            if case .unix(let path) = address {
                try Self.clearStaleSocket(path)
            } else {
                setIntOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
                if shared { setIntOption(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
                // Accepted sockets inherit it.
                setIntOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
                Self.askForLife(fd)
            }
            if case .v6 = address { setIntOption(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            let bound = address.withKernelForm { bind(fd, $0, $1) == 0 ? 0 : errno } ?? ENAMETOOLONG
            guard bound == 0 else { throw SystemError("bind \(address)", code: bound) }
            guard listen(fd, backlog) == 0 else { throw SystemError("listen \(address)") }
        } catch {
            closeDescriptor(fd)
            throw error
        }
        descriptor = fd
        self.address = Self.boundAddress(fd) ?? address
    }

    /// A client whose machine or network is gone says nothing, and a stream may be silent for ever: after two
    /// minutes of silence the kernel asks four times, every 15 s. Accepted sockets inherit this too.
    private static func askForLife(_ fd: Int32) {
        setIntOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
        setIntOption(fd, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 120)
        setIntOption(fd, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
        setIntOption(fd, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
    }

    /// A socket handed over by a supervisor (socket activation): already bound and listening.
    public init?(inherited descriptor: Int32) {
        guard let address = Self.boundAddress(descriptor) else { return nil }
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = descriptor
        self.address = address
    }

    /// Another descriptor of the same socket, for another worker.
    public func duplicate() throws(SystemError) -> ListeningSocket {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw SystemError("dup") }
        return ListeningSocket(descriptor: copy, address: address)
    }

    private init(descriptor: Int32, address: SocketAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    private static func boundAddress(_ fd: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
        }
        guard code == 0, let address = SocketAddress(storage) else { return nil }
        if case .unix = address { return nil }  // the path as configured says more
        return address
    }

    /// Removes a socket file that nobody listens on any more; a live one is an error.
    private static func clearStaleSocket(_ path: String) throws(SystemError) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError("bind unix:\(path)", code: EEXIST) }
        switch Dial.start(.unix(path)) {
        case .success(let fd):
            closeDescriptor(fd)
            throw SystemError("bind unix:\(path)", code: EADDRINUSE)
        case .failure: unlink(path)
        }
    }

    public func close() { closeDescriptor(descriptor) }
}

/// Accepts on one loop. When descriptors run out it pauses for a moment and tries again, instead of
/// spinning; connections wait in the kernel's backlog meanwhile.
public final class Acceptor: Source {
    public let socket: ListeningSocket
    private let loop: EventLoop
    private let accepted: (_ descriptor: Int32, _ peer: SocketAddress) -> Void
    private let exhausted: (SystemError) -> Void

    /// Most connections taken in one go, so that a storm of connects cannot starve running ones.
    private static let burst = 64
    private static let pauseMS: UInt64 = 50

    /// - Parameters:
    ///   - exhausted: told about EMFILE, ENFILE, ENOBUFS, ENOMEM.
    public init(
        _ socket: ListeningSocket, on loop: EventLoop,
        accepted: @escaping (_ descriptor: Int32, _ peer: SocketAddress) -> Void,
        exhausted: @escaping (SystemError) -> Void
    ) throws(SystemError) {
        self.socket = socket
        self.loop = loop
        self.accepted = accepted
        self.exhausted = exhausted
        super.init()
        let problem = loop.register(self, descriptor: socket.descriptor)
        if problem != 0 { throw SystemError("epoll_ctl", code: problem) }
    }

    public override func ready(_ readiness: Readiness) { acceptBurst() }
    public override func deadlinePassed() { acceptBurst() }

    private func acceptBurst() {
        var taken = 0
        while taken < Self.burst {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let fd = nx_accept(socket.descriptor, &storage, &length)
            guard fd >= 0 else {
                switch errno {
                case EAGAIN: return
                case EINTR, ECONNABORTED, EPROTO: continue
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    exhausted(SystemError("accept"))
                    loop.setDeadline(self, afterMS: Self.pauseMS)
                    return
                default:
                    // A pending network error of that one connection (accept(2)): the next may do.
                    loop.setDeadline(self, afterMS: 1)
                    return
                }
            }
            taken += 1
            accepted(fd, SocketAddress(storage) ?? .unix(""))
        }
        // More may wait, and the edge will not come again.
        loop.setDeadline(self, afterMS: 1)
    }

    /// Stops accepting and closes the socket; once is enough.
    public func stop() {
        guard slot != .max else { return }
        loop.unregister(self)
        socket.close()
    }
}

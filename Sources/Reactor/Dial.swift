internal import CShim
internal import Glibc
public import Threads

/// Non-blocking connects.
public enum Dial {
    /// Starts connecting to `address`; the descriptor becomes writable when it is done, and
    /// `outcome` then says how. Fails at once with errno when even starting is impossible.
    public static func start(_ address: SocketAddress) -> Result<Int32, SystemError> {
        let fd = nx_socket(address.family)
        guard fd >= 0 else { return .failure(SystemError("socket")) }
        if case .unix = address {} else { setIntOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        let result = address.withKernelForm { connect(fd, $0, $1) == 0 ? 0 : errno } ?? ENAMETOOLONG
        // EAGAIN from a Unix socket means its backlog is full: there is nothing to wait for.
        guard result == 0 || result == EINPROGRESS else {
            closeDescriptor(fd)
            return .failure(SystemError("connect", code: result))
        }
        return .success(fd)
    }

    /// The result of a finished connect: 0 or errno.
    public static func outcome(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
    }
}

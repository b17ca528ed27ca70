internal import COpenSSL
internal import Glibc

/// What OpenSSL's reads and writes on one socket came to, as far as its own results do not say it.
struct SocketState {
    var descriptor: Int32
    /// The last receive took everything there was: the kernel will report when there is more.
    var drained = false
    /// The last receive found nothing.
    var empty = false
    /// After a short receive there is nothing to be had, not even the end of the stream.
    var staysOpen = false
    /// What is sent now is not the last of it: the kernel may wait, and send it all in one packet.
    var more = false
    /// The peer has closed its side of the TCP connection.
    var ended = false
    /// errno of the last call that failed for good; 0 = none has.
    var problem: Int32 = 0
}

/// The socket as OpenSSL sees it. Its own socket BIO hides whether a receive came back short, which is how
/// an edge-triggered reader knows that it need not ask again: one system call per request. It also sends
/// with `write`, which raises SIGPIPE.
enum SocketStream {
    // Written once, before any thread can see it, and only read afterwards; OpenSSL never changes a method.
    private nonisolated(unsafe) static let method: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket")
        BIO_meth_set_read(method) { receive($0, $1, $2) }
        BIO_meth_set_write(method) { send($0, $1, $2) }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        return method
    }()

    /// A BIO over `state`, which must outlive it.
    static func make(_ state: UnsafeMutablePointer<SocketState>) -> OpaquePointer? {
        guard let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, state)
        return bio
    }

    private static func receive(_ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ size: Int32) -> Int32 {
        guard let data = BIO_get_data(bio), let target else { return -1 }
        let state = data.assumingMemoryBound(to: SocketState.self)
        BIO_clear_flags(bio, NX_RETRY_ALL)
        if state.pointee.staysOpen && state.pointee.drained {
            state.pointee.empty = true
            BIO_set_flags(bio, NX_RETRY_READ)
            return -1
        }
        let n = recv(state.pointee.descriptor, target, Int(size), 0)
        if n > 0 {
            state.pointee.drained = n < Int(size)
            return Int32(n)
        }
        state.pointee.drained = true
        if n == 0 {
            state.pointee.ended = true
            return 0
        }
        if errno == EAGAIN || errno == EINTR {
            state.pointee.empty = true
            BIO_set_flags(bio, NX_RETRY_READ)
        } else {
            state.pointee.problem = errno
        }
        return -1
    }

    private static func send(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
        guard let data = BIO_get_data(bio), let bytes else { return -1 }
        let state = data.assumingMemoryBound(to: SocketState.self)
        BIO_clear_flags(bio, NX_RETRY_ALL)
        let flags = state.pointee.more ? Int32(MSG_NOSIGNAL) | Int32(MSG_MORE) : Int32(MSG_NOSIGNAL)
        let n = Glibc.send(state.pointee.descriptor, bytes, Int(count), flags)
        if n >= 0 { return Int32(n) }
        if errno == EAGAIN || errno == EINTR {
            BIO_set_flags(bio, NX_RETRY_WRITE)
        } else {
            state.pointee.problem = errno
        }
        return -1
    }
}

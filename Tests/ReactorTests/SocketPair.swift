import Glibc

@testable import Reactor

/// Two connected, non-blocking Unix stream sockets; closed with the object.
final class SocketPair {
    private(set) var a: Int32
    private(set) var b: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        precondition(socketpair(AF_UNIX, flags, 0, &ends) == 0)
        a = ends[0]
        b = ends[1]
    }

    deinit {
        if a >= 0 { close(a) }
        closeB()
    }

    func closeB() {
        if b >= 0 { close(b) }
        b = -1
    }

    /// `a` belongs to a transport from now on.
    func takeA() -> Int32 {
        defer { a = -1 }
        return a
    }

    func write(_ text: String, to end: Int32) {
        let bytes = Array(text.utf8)
        precondition(send(end, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }

    /// Everything that can be read from `end` now.
    func read(_ end: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let n = recv(end, &piece, piece.count, 0)
            if n <= 0 { return all }
            all += piece.prefix(n)
        }
    }
}

/// Waits until the descriptor is ready for `events`, five seconds at most.
func wait(_ descriptor: Int32, for events: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, 5000) == 1
}

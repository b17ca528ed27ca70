import CShim
import Glibc
import Synchronization

@testable import Reactor
import Threads

/// A name server of a few lines on a loopback port: answers as the test says, counts what it was asked.
final class ResolverNameServer: Sendable {
    enum Answer: Sendable {
        case addresses([[UInt8]], ttl: UInt32)
        /// An alias with its own time to live, then addresses.
        case alias(ttl: UInt32, [[UInt8]])
        case code(UInt8)
        case silence
        case garbage
        /// The right shape with another question's id.
        case wrongID
    }

    private struct State {
        var answers: [String: Answer] = [:]
        var asked: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let stopped = Atomic<Bool>(false)
    private let socket: Int32
    let port: UInt16
    private let thread = Mutex<NamedThread?>(nil)

    init() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let fd = socket
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(fd, $0, length)
                _ = getsockname(fd, $0, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        var patience = timeval(tv_sec: 0, tv_usec: 50_000)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let made = try NamedThread(name: "name-server") { [self] in serve() }
        thread.withLock { $0 = made }
    }

    func set(_ name: String, _ answer: Answer) { state.withLock { $0.answers[name] = answer } }
    /// Queries for A records of `name` so far.
    func asked(_ name: String) -> Int { state.withLock { $0.asked[name] ?? 0 } }

    func stop() {
        stopped.store(true, ordering: .relaxed)
        thread.withLock { $0.take() }?.join()
        close(socket)
    }

    private func serve() {
        var packet = [UInt8](repeating: 0, count: 4096)
        while !stopped.load(ordering: .relaxed) {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let n = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket, &packet, packet.count, 0, $0, &length) }
            }
            guard n > 12, let reply = reply(to: Array(packet.prefix(n))) else { continue }
            withUnsafePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = sendto(socket, reply, reply.count, 0, $0, length) }
            }
        }
    }

    private func reply(to query: [UInt8]) -> [UInt8]? {
        var labels: [String] = []
        var at = 12
        while at < query.count, query[at] != 0 {
            labels.append(String(decoding: query[(at + 1)...(at + Int(query[at]))], as: UTF8.self))
            at += Int(query[at]) + 1
        }
        let name = labels.joined(separator: ".").lowercased()
        let type = query[at + 2]
        let question = Array(query[12..<(at + 5)])
        let answer = state.withLock { state in
            if type == 1 { state.asked[name, default: 0] += 1 }
            return state.answers[name] ?? .code(3)
        }
        func header(_ code: UInt8, _ count: Int, id: [UInt8]) -> [UInt8] {
            id + [0x81, 0x80 | code, 0, 1, UInt8(count >> 8), UInt8(count & 255), 0, 0, 0, 0] + question
        }
        func ttlBytes(_ ttl: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: ttl >> (24 - 8 * $0)) } }
        let id = Array(query[0..<2])
        switch answer {
        case .silence: return nil
        case .garbage: return id + (0..<60).map { _ in UInt8.random(in: 0...255) }
        case .wrongID: return header(0, 0, id: [id[0] ^ 0xff, id[1]])
        case .code(let code): return header(code, 0, id: id)
        case .addresses(let all, let ttl):
            let fitting = all.filter { $0.count == (type == 1 ? 4 : 16) }
            return fitting.reduce(header(0, fitting.count, id: id)) {
                $0 + [0xc0, 12, 0, type, 0, 1] + ttlBytes(ttl) + [0, UInt8($1.count)] + $1
            }
        case .alias(let ttl, let all):
            let fitting = all.filter { $0.count == (type == 1 ? 4 : 16) }
            let target: [UInt8] = [4] + Array("real".utf8) + [4] + Array("test".utf8) + [0]
            let alias = [0xc0, 12, 0, 5, 0, 1] + ttlBytes(ttl) + [0, UInt8(target.count)] + target
            return fitting.reduce(header(0, fitting.count + 1, id: id) + alias) {
                $0 + target + [0, type, 0, 1] + ttlBytes(3600) + [0, UInt8($1.count)] + $1
            }
        }
    }
}

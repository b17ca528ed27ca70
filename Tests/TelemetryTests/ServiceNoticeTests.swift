import Glibc
import Testing

@testable import Telemetry

@Suite struct ServiceNoticeTests {
    /// A datagram socket in place of the service manager's.
    struct Manager {
        let path = makeFolder() + "/notify"
        let socket: Int32

        init() {
            socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            precondition(bound == 0)
        }

        func next() -> String {
            var piece = [UInt8](repeating: 0, count: 4096)
            let n = recv(socket, &piece, piece.count, Int32(MSG_DONTWAIT))
            return n > 0 ? String(decoding: piece.prefix(n), as: UTF8.self) : ""
        }
    }

    @Test func tellsTheManager() {
        let manager = Manager()
        defer { close(manager.socket) }
        let notice = ServiceNotice(
            socket: manager.path, watchdogMicroseconds: "2000000", watchdogProcess: "\(getpid())", process: getpid())
        #expect(notice.watchdogMicroseconds == 2_000_000)
        notice.ready(status: "8 routes\nFAKE=1")
        #expect(manager.next() == "READY=1\nSTATUS=8 routes FAKE=1")
        notice.reloading(monotonicNS: 12_345_678)
        #expect(manager.next() == "RELOADING=1\nMONOTONIC_USEC=12345")
        notice.watchdog()
        #expect(manager.next() == "WATCHDOG=1")
        notice.status("draining")
        #expect(manager.next() == "STATUS=draining")
        notice.stopping()
        #expect(manager.next() == "STOPPING=1")
    }

    @Test(arguments: [nil, "", "relative", "@"] as [String?])
    func isSilentWithoutAManager(_ socket: String?) {
        ServiceNotice(socket: socket, watchdogMicroseconds: nil, watchdogProcess: nil, process: 1).ready()
    }

    @Test(arguments: [
        ("1000", nil, UInt64(1000)), ("1000", "7", 1000), ("1000", "8", nil), ("0", nil, nil), ("-1", nil, nil),
        ("x", nil, nil), (nil, nil, nil), ("1000", "junk", nil),
    ] as [(String?, String?, UInt64?)])
    func watchdogIsForThisProcessOnly(_ usec: String?, _ pid: String?, _ expected: UInt64?) {
        let notice = ServiceNotice(socket: nil, watchdogMicroseconds: usec, watchdogProcess: pid, process: 7)
        #expect(notice.watchdogMicroseconds == expected)
    }
}

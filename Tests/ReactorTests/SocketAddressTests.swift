import CShim
import Glibc
import Seeded
import Testing

@testable import Reactor
import Threads

@Suite struct SocketAddressTests {
    private func parse(_ text: String, _ port: UInt16 = 80) -> SocketAddress? { SocketAddress(literal: text, port: port) }

    @Test func literalsAreRead() {
        #expect(parse("192.0.2.1") == .v4(0xc000_0201, port: 80))
        #expect(parse("::1") == .v6(high: 0, low: 1, port: 80))
        #expect(parse("2001:db8::a:b") == .v6(high: 0x2001_0db8_0000_0000, low: 0x000a_000b, port: 80))
        for text in ["", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "[::1]", "::1%lo", "1.2.3.4:80", ":::", "0x7f000001"] {
            #expect(parse(text) == nil, "\(text)")
        }
    }

    @Test func descriptionsAreReadAgain() {
        var random = Seeded(state: 1)
        for _ in 0..<200 {
            let port = UInt16.random(in: 0...65535, using: &random)
            let four = SocketAddress.v4(UInt32(truncatingIfNeeded: random.next()), port: port)
            #expect(parse(four.host, port) == four)
            #expect(four.description == "\(four.host):\(port)")
            let six = SocketAddress.v6(high: random.next(), low: random.next() & 0xffff_0000_ffff, port: port)
            #expect(parse(six.host, port) == six)
            #expect(six.description == "[\(six.host)]:\(port)")
        }
        #expect(SocketAddress.unix("/run/x.sock").description == "unix:/run/x.sock")
        #expect(SocketAddress.unix("/run/x.sock").host == "unix")
    }

    /// To the kernel's form and back.
    @Test func theKernelsFormIsTheSame() {
        let addresses: [SocketAddress] = [
            .v4(0, port: 0), .v4(0x7f00_0001, port: 8080), .v4(.max, port: .max), .v6(high: 0, low: 1, port: 443),
            .v6(high: 0x2001_0db8_1122_3344, low: 0x5566_7788_99aa_bbcc, port: 1),
        ]
        for address in addresses {
            let again = address.withKernelForm { pointer, length -> SocketAddress? in
                var storage = sockaddr_storage()
                memcpy(&storage, pointer, Int(length))
                return SocketAddress(storage)
            }
            #expect(again == .some(address), "\(address)")
        }
    }

    @Test func mappedAddressesAreIPv4() {
        let four = SocketAddress(mapped: 0, 0xffff_c000_0201, port: 9)
        #expect(four == .v4(0xc000_0201, port: 9))
        #expect(four.words == (0, 0xffff_c000_0201))
        let six = SocketAddress(mapped: 1, 0xffff_c000_0201, port: 9)
        #expect(six == .v6(high: 1, low: 0xffff_c000_0201, port: 9) && six.words == (1, 0xffff_c000_0201))
        #expect(SocketAddress(mapped: 0, 0xfffe_c000_0201, port: 9) == .v6(high: 0, low: 0xfffe_c000_0201, port: 9))
        #expect(SocketAddress.unix("/x").words == (0, 0))
    }

    @Test func portsAreReplaced() {
        #expect(SocketAddress.v4(1, port: 2).withPort(3) == .v4(1, port: 3))
        #expect(SocketAddress.v6(high: 1, low: 2, port: 3).withPort(4) == .v6(high: 1, low: 2, port: 4))
        #expect(SocketAddress.unix("/x").withPort(4) == .unix("/x") && SocketAddress.unix("/x").port == 0)
    }

    @Test func unixPathsAreBounded() {
        func length(_ n: Int) -> socklen_t? { SocketAddress.unix(String(repeating: "x", count: n)).withKernelForm { $1 } }
        #expect(length(107) == 110)
        #expect(length(108) == nil && length(0) == nil)
        // Neither bound nor dialled, and no trap.
        let long = SocketAddress.unix("/tmp/" + String(repeating: "x", count: 200))
        #expect(throws: SystemError.self) { try ListeningSocket(long, backlog: 1, shared: false) }
        guard case .failure(let error) = Dial.start(long) else {
            Issue.record("connected")
            return
        }
        #expect(error.code == ENAMETOOLONG)
    }
}

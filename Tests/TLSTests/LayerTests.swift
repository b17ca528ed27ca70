import Exchanges
import Glibc
import Reactor
import Testing

@testable import TLS

/// Both ends of one TLS connection over a pair of sockets.
@Suite struct LayerTests {
    /// One end.
    final class End {
        var transport: Transport
        let layer: TLSLayer

        init(_ descriptor: Int32, _ layer: TLSLayer) {
            transport = Transport(descriptor: descriptor)
            transport.layer = layer
            self.layer = layer
        }

        deinit { transport.close() }
    }

    struct Ends {
        let client: End
        let server: End

        /// Lets both sides step until neither has anything to do.
        func shake() -> (client: TLSLayer.HandshakeStep, server: TLSLayer.HandshakeStep) {
            var a = client.layer.handshake()
            var b = server.layer.handshake()
            for _ in 0..<10 {
                if case .wantsToReceive = a { a = client.layer.handshake() }
                if case .wantsToReceive = b { b = server.layer.handshake() }
            }
            return (a, b)
        }
    }

    func ends(_ server: TLSServerContext, _ client: TLSClientContext, to name: TLSServerName = .dns("localhost")) throws -> Ends {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        for descriptor in pair { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        return Ends(
            client: End(pair[0], try #require(client.connect(pair[0], to: name))),
            server: End(pair[1], try #require(server.accept(pair[1]))))
    }

    func server(_ shop: Workshop, _ change: (inout TLSServerOptions) -> Void = { _ in }) throws -> TLSServerContext {
        var options = TLSServerOptions(certificates: [try shop.issue("server", "DNS:localhost,IP:127.0.0.1")])
        change(&options)
        return try TLSServerContext(options, name: "public", vault: TicketVault())
    }

    func client(_ shop: Workshop, _ change: (inout TLSClientOptions) -> Void = { _ in }) throws -> TLSClientContext {
        var options = TLSClientOptions()
        options.authorities = shop.path("ca.crt")
        change(&options)
        return try TLSClientContext(options)
    }

    func connected() throws -> Ends {
        let shop = try Workshop()
        let ends = try ends(try server(shop), try client(shop))
        let (a, b) = ends.shake()
        guard case .done(let mine) = a, case .done(let theirs) = b else {
            Issue.record("no handshake: \(a), \(b)")
            return ends
        }
        #expect(mine.version == .tls13 && mine.protocolName == .http11 && !mine.resumed)
        #expect(theirs.version == .tls13 && theirs.protocolName == .http11)
        return ends
    }

    func bytes(_ n: Int) -> [UInt8] { (0..<n).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    @Test func bytesArriveBothWays() throws {
        let ends = try connected()
        for (from, to) in [(ends.client, ends.server), (ends.server, ends.client)] {
            let out = Buffer(capacity: 100)
            out.append(Array("over there".utf8))
            guard case .moved(10) = from.transport.send(out) else { return missed("not sent") }
            #expect(out.isEmpty)
            let input = Buffer(capacity: 100)
            guard case .moved(10) = to.transport.receive(into: input) else { return missed("not received") }
            #expect(input.copyReadable() == Array("over there".utf8))
            #expect(to.transport.isDrained(input), "the kernel has no more, and neither has the layer")
            guard case .wouldBlock = to.transport.receive(into: input) else { return missed("more came") }
        }
    }

    /// A record that is larger than the room for it: the layer holds the rest, and says so.
    @Test func whatIsHeldIsNotDrained() throws {
        let ends = try connected()
        let out = Buffer(capacity: 9000)
        out.append(bytes(9000))
        _ = ends.client.transport.send(out)
        let input = Buffer(capacity: 4000)
        guard case .moved(4000) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(!ends.server.transport.isDrained(input))
        #expect(!ends.server.transport.isQuiet(), "an idle connection holds no bytes")
        input.clear()
        guard case .moved(4000) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        input.clear()
        guard case .moved(1000) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(ends.server.transport.isDrained(input) && ends.server.transport.isQuiet())
    }

    /// Two records in one read of the socket: the second is reported by nobody but the layer.
    @Test func aSecondRecordIsNotForgotten() throws {
        let ends = try connected()
        for word in ["one", "two"] {
            let out = Buffer(capacity: 16)
            out.append(Array(word.utf8))
            _ = ends.client.transport.send(out)
        }
        let input = Buffer(capacity: 16)
        guard case .moved(3) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(!ends.server.transport.isDrained(input))
        guard case .moved(3) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(ends.server.transport.isDrained(input) && input.copyReadable() == Array("onetwo".utf8))
    }

    /// More comes while the layer still holds a record: that was reported once, before the record was given out.
    @Test func whatIsReportedWhileARecordIsHeldIsNotForgotten() throws {
        let ends = try connected()
        func say(_ word: String) {
            let out = Buffer(capacity: 16)
            out.append(Array(word.utf8))
            _ = ends.client.transport.send(out)
        }
        say("one")
        say("two")
        let input = Buffer(capacity: 16)
        guard case .moved(3) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        say("six")
        _ = ends.server.transport.translate(.readable)
        guard case .moved(3) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(!ends.server.transport.isDrained(input))
        guard case .moved(3) = ends.server.transport.receive(into: input) else { return missed("no bytes") }
        #expect(ends.server.transport.isDrained(input) && input.copyReadable() == Array("onetwosix".utf8))
    }

    /// A socket that takes no more in the middle of a record, and a buffer that moves meanwhile.
    @Test func aFullSocketLosesNothing() throws {
        let ends = try connected()
        let all = bytes(3_000_000)
        let out = Buffer(capacity: 64)
        out.append(all)
        var received: [UInt8] = []
        let input = Buffer(capacity: 5000)
        var blocked = 0
        while received.count < all.count {
            sending: while !out.isEmpty {
                switch ends.client.transport.send(out) {
                case .moved: continue
                case .wouldBlock:
                    blocked += 1
                    out.compact()
                    break sending
                default: return missed("sending failed")
                }
            }
            receiving: while true {
                input.clear()
                switch ends.server.transport.receive(into: input) {
                case .moved: received += input.copyReadable()
                case .wouldBlock: break receiving
                default: return missed("receiving failed")
                }
            }
        }
        #expect(received == all && blocked > 3)
    }

    @Test func anEndIsSaidByCloseNotify() throws {
        let ends = try connected()
        ends.client.transport.shutdownSending()
        let input = Buffer(capacity: 16)
        guard case .ended = ends.server.transport.receive(into: input) else { return missed("no end") }
        // The other direction stays open.
        let out = Buffer(capacity: 16)
        out.append(bytes(5))
        _ = ends.server.transport.send(out)
        guard case .moved(5) = ends.client.transport.receive(into: input) else { return missed("not received") }
    }

    /// RFC 8446 section 6.1: what ends without close_notify was cut.
    @Test func anEndWithoutAWordIsAFailure() throws {
        let ends = try connected()
        shutdown(ends.client.transport.descriptor, Int32(SHUT_WR))
        let input = Buffer(capacity: 16)
        for _ in 0..<2 {
            guard case .failed = ends.server.transport.receive(into: input) else { return missed("looks like an end") }
        }
    }

    /// The peer has answered and gone: nothing can be sent, but its last words can be read.
    @Test func whatCameBeforeASendFailedCanBeRead() throws {
        let ends = try connected()
        let out = Buffer(capacity: 16)
        out.append(bytes(9))
        _ = ends.server.transport.send(out)
        shutdown(ends.server.transport.descriptor, Int32(SHUT_RD))
        out.append(bytes(5))
        guard case .failed = ends.client.transport.send(out) else { return missed("sent") }
        let input = Buffer(capacity: 16)
        guard case .moved(9) = ends.client.transport.receive(into: input) else { return missed("lost") }
    }

    @Test func aChangedByteIsAFailure() throws {
        let ends = try connected()
        let record: [UInt8] = [23, 3, 3, 0, 32] + bytes(32)
        #expect(send(ends.client.transport.descriptor, record, record.count, 0) == record.count)
        let input = Buffer(capacity: 64)
        guard case .failed = ends.server.transport.receive(into: input) else { return missed("not noticed") }
        guard case .failed = ends.server.transport.send(input) else { return missed("still speaks") }
    }

    @Test(arguments: [
        (TLSServerName.dns("localhost"), true), (.dns("other"), false), (.dns("server"), false), (.address([127, 0, 0, 1]), true),
        (.address([127, 0, 0, 2]), false),
    ])
    func namesAreChecked(_ name: TLSServerName, _ good: Bool) throws {
        let shop = try Workshop()
        let ends = try ends(try server(shop), try client(shop), to: name)
        switch ends.shake().client {
        case .done: #expect(good)
        case .failed(let failure): #expect(!good && failure == .certificate)
        default: Issue.record("undecided")
        }
    }

    @Test func anotherAuthorityIsNotBelieved() throws {
        let ends = try ends(try server(try Workshop()), try client(try Workshop()))
        guard case .failed(.certificate) = ends.shake().client else { return missed("believed") }
    }

    @Test func protocolsMustOverlap() throws {
        let shop = try Workshop()
        let ends = try ends(try server(shop), try client(shop) { $0.protocols = [.http2] })
        guard case .failed(.noProtocol) = ends.shake().server else { return missed("agreed") }
    }

    static let called: [(alternatives: String?, subject: String?, name: String)] = [
        ("URI:urn:a,DNS:b.example", nil, "urn:a"), ("DNS:b.example,URI:urn:a", nil, "urn:a"), ("email:a@b,DNS:c", nil, "c"),
        ("email:a@b.example", nil, "a@b.example"), (nil, "/O=Org/CN=a\u{1}b, c", "CN=a\\01b\\, c,O=Org"),
    ]

    @Test(arguments: called)
    func whatAClientIsCalled(_ alternatives: String?, _ subject: String?, _ expected: String) throws {
        let shop = try Workshop()
        let mine = try shop.issue("client", alternatives, subject: subject)
        let server = try server(shop) {
            $0.clientCertificates = .required
            $0.clientAuthorities = shop.path("ca.crt")
        }
        let ends = try ends(server, try client(shop) { $0.certificate = mine })
        guard case .done = ends.shake().server else { return missed("no handshake") }
        #expect(String(decoding: ends.server.layer.peerName, as: UTF8.self) == expected)
        #expect(String(decoding: ends.client.layer.peerName, as: UTF8.self) == "localhost")
    }

    @Test func aStrangerHasNoName() throws { #expect(try connected().server.layer.peerName == []) }
}

/// Records what should have happened and did not.
private func missed(_ what: Comment) { Issue.record(what) }

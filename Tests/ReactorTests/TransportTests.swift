import Exchanges
import Glibc
import Seeded
import Testing

@testable import Reactor

@Suite struct TransportTests {
    private func moved(_ result: IOResult) -> Int? { if case .moved(let n) = result { n } else { nil } }
    private func failed(_ result: IOResult) -> Int32? { if case .failed(let code) = result { code } else { nil } }
    private func blocks(_ result: IOResult) -> Bool { if case .wouldBlock = result { true } else { false } }
    private func ended(_ result: IOResult) -> Bool { if case .ended = result { true } else { false } }

    @Test func bytesGoThrough() {
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        let buffer = Buffer(capacity: 16)
        #expect(blocks(transport.receive(into: buffer)))
        pair.write("hello", to: pair.b)
        buffer.append("> " as StaticString)
        #expect(moved(transport.receive(into: buffer)) == 5)
        #expect(buffer.withReadable { $0.text } == "> hello")
        #expect(moved(transport.send(buffer)) == 7 && buffer.isEmpty)
        #expect(pair.read(pair.b) == Array("> hello".utf8))
        transport.close()
        #expect(!transport.isOpen)
        transport.close()  // twice is nothing
    }

    /// More than the socket takes: what was taken is consumed, the rest waits, nothing is lost.
    @Test func partialSendsKeepTheRest() {
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        defer { transport.close() }
        var random = Seeded(state: 1)
        let bytes = (0..<3_000_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let buffer = Buffer(capacity: 16)
        buffer.append(bytes)
        var received: [UInt8] = []
        var blocked = 0
        while !buffer.isEmpty {
            let before = buffer.count
            let result = transport.send(buffer)
            if let n = moved(result) {
                #expect(n > 0 && buffer.count == before - n)
            } else {
                #expect(blocks(result) && buffer.count == before)
                blocked += 1
                received += pair.read(pair.b)
            }
        }
        received += pair.read(pair.b)
        #expect(blocked > 0)
        #expect(received == bytes)
    }

    @Test func theEndIsSeenAfterTheBytes() {
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        defer { transport.close() }
        pair.write("last", to: pair.b)
        pair.closeB()
        let buffer = Buffer(capacity: 64)
        #expect(moved(transport.receive(into: buffer)) == 4)
        #expect(ended(transport.receive(into: buffer)))
        // Writing to a closed peer is an errno, not a signal.
        buffer.append("x" as StaticString)
        #expect(failed(transport.send(buffer)) == EPIPE)
    }

    @Test func halfAConnectionStays() {
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        defer { transport.close() }
        transport.shutdownSending()
        var byte: UInt8 = 0
        #expect(recv(pair.b, &byte, 1, 0) == 0)
        pair.write("still", to: pair.b)
        let buffer = Buffer(capacity: 64)
        #expect(moved(transport.receive(into: buffer)) == 5)
    }

    @Test func quietIsOpenWithNothingToRead() {
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        defer { transport.close() }
        #expect(transport.isQuiet())
        pair.write("x", to: pair.b)
        #expect(!transport.isQuiet())
        let buffer = Buffer(capacity: 8)
        #expect(moved(transport.receive(into: buffer)) == 1)
        #expect(transport.isQuiet())
        pair.closeB()
        #expect(!transport.isQuiet())
    }

    /// A cut answer must not look complete: with `reset` the peer sees an error, without it an end.
    @Test(arguments: [true, false]) func closingEndsOrResets(_ reset: Bool) throws {
        let listening = try ListeningSocket(.v4(0x7f00_0001, port: 0), backlog: 8, shared: false)
        defer { listening.close() }
        let client = try Dial.start(listening.address).get()
        defer { close(client) }
        #expect(wait(client, for: POLLOUT) && Dial.outcome(client) == 0)
        #expect(wait(listening.descriptor, for: POLLIN))
        let accepted = accept(listening.descriptor, nil, nil)
        #expect(accepted >= 0)
        var transport = Transport(descriptor: accepted)
        let buffer = Buffer(capacity: 8)
        buffer.append("half" as StaticString)
        #expect(moved(transport.send(buffer)) == 4)
        transport.close(reset: reset)
        var result = IOResult.wouldBlock
        var peer = Transport(descriptor: client)
        for _ in 0..<10 {
            #expect(wait(client, for: POLLIN))
            result = peer.receive(into: Buffer(capacity: 64))
            if moved(result) == nil { break }
        }
        if reset { #expect(failed(result) == ECONNRESET) } else { #expect(ended(result)) }
    }

    /// A layer sees every call and its results are taken as they are.
    @Test func aLayerStandsBetween() {
        final class Shift: TransportLayer {
            var shutdowns = 0
            override func receive(_ descriptor: Int32, into buffer: Buffer) -> IOResult {
                buffer.append("layer" as StaticString)
                return .moved(5)
            }
            override func send(_ descriptor: Int32, from buffer: Buffer, more: Bool) -> IOResult { .moved(min(2, buffer.count)) }
            override func shutdownSending(_ descriptor: Int32) { shutdowns += 1 }
        }
        let pair = SocketPair()
        var transport = Transport(descriptor: pair.takeA())
        defer { transport.close() }
        let layer = Shift()
        transport.layer = layer
        let buffer = Buffer(capacity: 1)
        #expect(moved(transport.receive(into: buffer)) == 5)
        #expect(moved(transport.send(buffer)) == 2 && buffer.withReadable { $0.text } == "yer")
        transport.shutdownSending()
        #expect(layer.shutdowns == 1)
    }
}

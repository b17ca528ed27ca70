import Exchanges
import Testing

@testable import WireHTTP

/// The free lists that stand for `malloc` under nghttp2.
@Suite struct HTTP2MemoryTests {
    @Test func whatWasGivenBackIsTakenAgain() throws {
        let memory = HTTP2Memory()
        let first = try #require(memory.take(100))
        let second = try #require(memory.take(100))
        #expect(first != second)
        memory.give(first)
        memory.give(second)
        #expect(memory.take(65) == second)
        #expect(memory.take(128) == first)
        memory.give(first)
        memory.give(second)
    }

    @Test func sizesDoNotMix() throws {
        let memory = HTTP2Memory()
        let small = try #require(memory.take(64))
        memory.give(small)
        let larger = try #require(memory.take(65))
        #expect(larger != small)
        memory.give(larger)
    }

    @Test func everySizeHoldsWhatWasAskedFor() throws {
        let memory = HTTP2Memory()
        var held: [(UnsafeMutableRawPointer, Int)] = []
        for round in 0..<2 {
            for size in [0, 1, 63, 64, 65, 512, 1023, 1024, 1025, 5000, 100_000] {
                let bytes = try #require(memory.take(size))
                #expect(UInt(bitPattern: bytes) % 16 == 0)
                bytes.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: size &+ round), count: size)
                held.append((bytes, size &+ round))
            }
            for (bytes, mark) in held {
                for i in 0..<(mark - round) {
                    #expect(bytes.load(fromByteOffset: i, as: UInt8.self) == UInt8(truncatingIfNeeded: mark))
                }
                memory.give(bytes)
            }
            held = []
        }
    }

    @Test func growingKeepsTheBytes() throws {
        let memory = HTTP2Memory()
        var bytes = try #require(memory.resize(nil, to: 10))
        for i in 0..<10 { bytes.storeBytes(of: UInt8(i), toByteOffset: i, as: UInt8.self) }
        for size in [20, 200, 2000, 20_000, 10] {
            bytes = try #require(memory.resize(bytes, to: size))
            for i in 0..<10 { #expect(bytes.load(fromByteOffset: i, as: UInt8.self) == UInt8(i)) }
        }
        memory.give(bytes)
    }

    @Test func tooMuchIsRefused() {
        let memory = HTTP2Memory()
        #expect(memory.take(.max) == nil)
        #expect(memory.take(-1) == nil)
        memory.give(nil)
    }

    /// Both ends of a connection on one memory, and nothing of it left in use by a session that is gone.
    @Test func sessionsLiveOnIt() {
        let memory = HTTP2Memory()
        for _ in 0..<20 {
            let client = HTTP2Session(.client, settings: HTTP2Settings(), nowMS: 1, memory: memory)
            let server = HTTP2Session(.server, settings: HTTP2Settings(), nowMS: 1, memory: memory)
            let wire = Buffer(capacity: 4096)
            for _ in 0..<3 {
                _ = client.write(into: wire, upTo: 4096)
                let isTaken = wire.withReadable { server.receive($0, nowMS: 1) }
                #expect(isTaken)
                wire.clear()
                _ = server.write(into: wire, upTo: 4096)
                let isAnswered = wire.withReadable { client.receive($0, nowMS: 1) }
                #expect(isAnswered)
                wire.clear()
            }
            #expect(client.mostPeerStreams == 100)
        }
    }
}

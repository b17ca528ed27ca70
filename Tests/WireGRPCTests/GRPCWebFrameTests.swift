import Exchanges
import Seeded
import Testing
import WireGRPC

/// The frame behind the messages, and where it may stand.
@Suite struct GRPCWebFrameTests {
    static func frame(_ message: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        let length = UInt32(message.count)
        return [flags, UInt8(length >> 24), UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff)] + message
    }

    @Test func trailersAreALastFrame() {
        let out = Buffer(capacity: 16)
        out.append(7)  // something is there already
        GRPCWebTrailers.append(Array("Grpc-Status: 0\r\nX-Upper-Bin: AbC=\r\nx-empty: \r\n".utf8).span, into: out)
        let expected = Array("grpc-status: 0\r\nx-upper-bin: AbC=\r\nx-empty: \r\n".utf8)
        #expect(out.copyReadable() == [7] + Self.frame(expected, flags: 0x80))
    }

    @Test func noTrailersAreAnEmptyFrame() {
        let out = Buffer(capacity: 16)
        GRPCWebTrailers.append([UInt8]().span, into: out)
        #expect(out.copyReadable() == [0x80, 0, 0, 0, 0])
    }

    /// However the bytes are cut, the end of each message is seen, and only there.
    @Test(arguments: 1...60 as ClosedRange<UInt64>) func messagesAreFollowed(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var bytes: [UInt8] = []
        var ends: Set<Int> = [0]
        for _ in 0..<random.count(1...8) {
            bytes += Self.frame((0..<random.count(0...30)).map { _ in UInt8.random(in: 0...255, using: &random) }, flags: UInt8(random.count(0...1)))
            ends.insert(bytes.count)
        }
        var boundary = GRPCWebBoundary()
        var at = 0
        while at < bytes.count {
            let n = random.count(1...min(12, bytes.count - at))
            let isSound = boundary.pass(Array(bytes[at..<at + n]).span)
            #expect(isSound)
            at += n
            #expect(boundary.isBetweenMessages == ends.contains(at))
        }
    }

    @Test(arguments: [2, 0x80, 0x81, 0xff] as [UInt8]) func otherFlagsEndIt(_ flags: UInt8) {
        var boundary = GRPCWebBoundary()
        let isSound = boundary.pass((Self.frame([1, 2]) + Self.frame([], flags: flags)).span)
        #expect(!isSound && !boundary.isBetweenMessages)
        let isMended = boundary.pass(Self.frame([]).span)
        #expect(!isMended, "what is broken stays broken")
    }
}

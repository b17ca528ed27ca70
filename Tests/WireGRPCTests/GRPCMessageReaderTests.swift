import Exchanges
import Seeded
import Testing
import WireGRPC

@Suite struct GRPCMessageReaderTests {
    struct Found: Equatable {
        var messages: [[UInt8]] = []
        var flags: [UInt8] = []
        var fault: GRPCMessageReader.Fault?
        var isComplete = false
    }

    /// Reads `body` in pieces of the given sizes, in turn.
    func read(_ body: [UInt8], pieces: [Int] = [.max], limit: Int = 1 << 20, flags: UInt8 = 1) -> Found {
        var reader = GRPCMessageReader(limit: limit, flags: flags)
        var found = Found()
        var at = 0
        var turn = 0
        while at < body.count {
            let end = min(body.count, at + min(pieces[turn % pieces.count], body.count))
            turn += 1
            var position = 0
            let piece = Array(body[at..<end])
            events: while true {
                switch reader.next(piece.span, at: &position) {
                case .needMore: break events
                case .message(let flags):
                    found.messages.append(reader.message.copyReadable())
                    found.flags.append(flags)
                case .failed(let fault):
                    found.fault = fault
                    #expect(reader.next(piece.span, at: &position) == .failed(fault))
                    #expect(!reader.isBetweenMessages)
                    return found
                }
            }
            #expect(position == piece.count)
            at = end
        }
        found.isComplete = reader.isBetweenMessages
        return found
    }

    func body(_ messages: [[UInt8]], flags: UInt8 = 0) -> [UInt8] {
        let out = Buffer(capacity: 64)
        for message in messages { GRPCMessageWriter.append(message.span, flags: flags, into: out) }
        return out.copyReadable()
    }

    @Test func theFormOnTheWire() {
        #expect(body([[1, 2, 3]]) == [0, 0, 0, 0, 3, 1, 2, 3])
        #expect(body([[]], flags: 1) == [1, 0, 0, 0, 0])
        #expect(body([[UInt8](repeating: 7, count: 0x10203)]).prefix(5) == [0, 0, 1, 2, 3])
    }

    @Test func nothingIsABodyToo() {
        let none = read([])
        #expect(none.messages.isEmpty)
        #expect(GRPCMessageReader(limit: 1).isBetweenMessages)
    }

    @Test func truncatedBodiesAreSeen() {
        let whole = body([[1, 2], [3, 4, 5]])
        for n in 1..<whole.count { #expect(read(Array(whole.prefix(n))).isComplete == (n == 7), "\(n)") }
        #expect(read(whole).isComplete)
    }

    @Test func theLimitIsSeenInThePrefix() {
        #expect(read([0, 0, 0, 0, 5], limit: 4).fault == .tooLarge)
        #expect(read([0, 0xff, 0xff, 0xff, 0xff], limit: 1 << 20).fault == .tooLarge)
        #expect(read(body([[1, 2, 3, 4]]), limit: 4).messages == [[1, 2, 3, 4]])
        #expect(read(body([[]]), limit: 0).messages == [[]])
    }

    @Test func flags() {
        #expect(read(body([[9]], flags: 1)).flags == [1])
        for flag in [2, 4, 0x40, 0x80, 0x81, 0xff] as [UInt8] { #expect(read(body([[9]], flags: flag)).fault == .badFlag) }
        let web = GRPCMessageReader.compressed | GRPCMessageReader.trailers
        #expect(read(body([[9]], flags: 0x80), flags: web).flags == [0x80])
        #expect(read(body([[9]], flags: 1), flags: 0).fault == .badFlag)
    }

    @Test func cutsDoNotMatter() {
        var random = Seeded(state: 44)
        for _ in 0..<2_000 {
            let messages = (0..<random.count(0...5)).map { _ in
                (0..<random.count(0...300)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            let text = body(messages)
            let pieces = (0..<random.count(1...4)).map { _ in random.count(1...70) }
            let found = read(text, pieces: pieces)
            #expect(found.messages == messages && found.isComplete && found.fault == nil)
        }
    }

    @Test func memoryFollowsWhatCameNotWhatWasSaid() {
        var reader = GRPCMessageReader(limit: 1 << 30)
        var position = 0
        #expect(reader.next([0, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3].span, at: &position) == .needMore)
        #expect(reader.message.capacity < 4096)
    }
}

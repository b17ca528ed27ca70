import Exchanges
import Testing
import WireHTTP

@Suite struct HTTP2SessionTests {
    @Test func aRequestAndItsAnswer() {
        let pair = HTTP2Loopback()
        let asked = pair.client.request("/api/x?y=1", lines: "Accept: */*\r\nCookie: a=1\r\nCookie: b=2\r\n")
        pair.settle()
        let seen = pair.server.streams[0]
        #expect(seen.fault == nil)
        #expect(seen.ended)
        #expect(seen.head.verb == .get)
        #expect(seen.headText.hasPrefix("GET "))
        #expect(seen.lines == "accept: */*\ncookie: a=1; b=2\n")
        pair.server.respond(seen, lines: "Content-Type: text/plain\r\n", body: "hello", trailers: "Grpc-Status: 0\r\n")
        pair.settle()
        #expect(asked.status == [200])
        #expect(asked.lines == "content-type: text/plain\n")
        #expect(asked.body == Array("hello".utf8))
        #expect(asked.trailers == "grpc-status: 0\n")
        #expect(asked.ended)
        #expect(asked.closed == .noError)
        #expect(seen.closed == .noError)
        #expect(pair.server.session.openStreams == 0)
    }

    @Test func emptyCrumbsLeaveNoSpaceAtTheEnd() {
        let pair = HTTP2Loopback()
        _ = pair.client.request("/", lines: "Cookie: a=1\r\nCookie: \r\n")
        pair.settle()
        #expect(pair.server.streams[0].lines == "cookie: a=1\n")
    }

    /// A reset of a stream that the server has never seen would end the connection.
    @Test func aRequestThatHasNotGoneCanBeResetTwice() {
        let pair = HTTP2Loopback()
        let taken = pair.client.request("/taken-back")
        pair.client.session.reset(taken.stream, .cancel)
        pair.client.session.reset(taken.stream, .cancel)
        let other = pair.client.request("/other")
        pair.settle()
        #expect(taken.closed == .cancel)
        #expect(pair.client.goAway == nil && pair.server.session.endedFor == nil)
        #expect(other.closed == nil && pair.server.streams.count == 1)
    }

    @Test func creditFollowsConsumption() {
        let pair = HTTP2Loopback()
        let asked = pair.client.request("/upload", method: "POST", ended: false)
        asked.stream.outbound.append(String(repeating: "x", count: 200_000))
        asked.stream.end(trailers: nil)
        pair.client.session.resume(asked.stream)
        pair.settle()
        let seen = pair.server.streams[0]
        #expect(seen.body.count == 64 << 10)
        pair.settle()
        #expect(seen.body.count == 64 << 10, "nothing was used, so nothing more may come")
        while !seen.ended {
            pair.server.session.consumed(seen.stream, 40_000)
            pair.settle()
        }
        #expect(seen.body.count == 200_000)
    }

    @Test func storedBytesHoldUpOnlyTheirOwnStream() {
        var settings = HTTP2Settings()
        settings.connectionWindow = 64 << 10
        let pair = HTTP2Loopback(server: settings)
        let asked = ["/slow", "/other"].map { pair.client.request($0, method: "POST", ended: false) }
        for one in asked {
            one.stream.outbound.append(String(repeating: "x", count: 100_000))
            one.stream.end(trailers: nil)
            pair.client.session.resume(one.stream)
            pair.settle()
        }
        let (slow, other) = (pair.server.streams[0], pair.server.streams[1])
        #expect(slow.body.count + other.body.count < 66_000, "the window of the connection is used up")
        for _ in 0..<10 where !other.ended {
            pair.server.session.stored(slow.stream, slow.stream.unusedBytes)
            pair.server.session.stored(slow.stream, 1)  // no more than has come
            pair.server.session.consumed(other.stream, other.stream.unusedBytes)
            pair.settle()
        }
        pair.server.session.consumed(other.stream, other.stream.unusedBytes)
        #expect(slow.body.count == 64 << 10, "its own window is all that it may use")
        for _ in 0..<10 where !slow.ended {
            pair.server.session.consumed(slow.stream, slow.stream.unusedBytes)
            pair.settle()
        }
        #expect(slow.body.count == 100_000 && other.body.count == 100_000)
    }

    @Test func interimAnswersComeFirst() {
        let pair = HTTP2Loopback()
        let asked = pair.client.request("/")
        pair.settle()
        let hints = HTTP2FieldBlock()
        hints.add(status: 103)
        hints.add(lines: { $0.append("Link: </a>\r\n" as StaticString) })
        pair.server.session.interim(pair.server.streams[0].stream, hints)
        pair.server.respond(pair.server.streams[0], 204)
        pair.settle()
        #expect(asked.status == [103, 204])
    }

    @Test func refusedStreamsSayTheyWereNotProcessed() {
        let pair = HTTP2Loopback()
        pair.server.refuses = true
        let asked = pair.client.request("/")
        pair.settle()
        #expect(asked.closed == .refusedStream)
    }

    @Test func settingsThatOverflowAWindowEndTheConnection() {
        let pair = HTTP2Loopback()
        _ = pair.client.request("/", ended: false)
        pair.settle()
        // WINDOW_UPDATE of 0x7ffe0000 on stream 1, then SETTINGS_INITIAL_WINDOW_SIZE 2^31-1.
        pair.server.input([0, 0, 4, 8, 0, 0, 0, 0, 1, 0x7f, 0xfe, 0, 0])
        pair.server.input([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff])
        #expect(pair.server.session.endedFor == .flowControlError)
    }

    @Test func continuationsAreCounted() {
        let side = HTTP2Side(.server)
        side.input(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
        side.input([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82])
        side.input([0, 0, 0, 9, 0, 0, 0, 0, 1])
        #expect(side.session.endedFor == .enhanceYourCalm)
    }

    @Test(arguments: [
        [UInt8](arrayLiteral: 0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),  // PING
        [0, 0, 0, 4, 0, 0, 0, 0, 0],  // SETTINGS
        [0, 0, 0, 99, 0, 0, 0, 0, 0],  // unknown
        [0, 0, 5, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1],  // PRIORITY
    ])
    func floodsEnd(frame: [UInt8]) {
        let side = HTTP2Side(.server)
        side.input(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
        var sent = 0
        while side.session.endedFor == nil && sent < 10_000 {
            side.input(frame)
            _ = side.output()
            sent += 1
        }
        #expect(side.session.endedFor == .enhanceYourCalm)
        #expect(sent <= 1_001)
    }

    @Test func aRefillMakesRoomAgain() {
        var settings = HTTP2Settings()
        settings.control = HTTP2Allowance(burst: 10, perSecond: 10)
        let side = HTTP2Side(.server, settings)
        side.input(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
        let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
        for second in 0..<50 {
            side.nowMS = UInt64(second) * 1000 + 1000
            for _ in 0..<9 { side.input(ping) }
        }
        #expect(side.session.endedFor == nil)
    }

    @Test func rapidResetsEnd() {
        let pair = HTTP2Loopback()
        var sent = 0
        while pair.server.session.endedFor == nil && sent < 1000 {
            let one = pair.client.request("/")
            pair.server.input(pair.client.output())
            pair.client.session.reset(one.stream, .cancel)
            pair.server.input(pair.client.output())
            sent += 1
        }
        #expect(pair.server.session.endedFor == .enhanceYourCalm)
        #expect(sent == 201)
    }

    @Test func aSectionMuchTooLargeEndsTheConnection() {
        var settings = HTTP2Settings()
        settings.limits.head = 1024
        let pair = HTTP2Loopback(server: settings)
        let lines = (0..<200).map { "x-\($0): \(String(repeating: "v", count: 100))\r\n" }.joined()
        _ = pair.client.request("/", lines: lines)
        pair.settle()
        #expect(pair.server.session.endedFor == .enhanceYourCalm)
    }

    @Test func aSectionSomewhatTooLargeIsSaid() {
        var settings = HTTP2Settings()
        settings.limits.head = 1024
        let pair = HTTP2Loopback(server: settings)
        _ = pair.client.request("/", lines: "x: \(String(repeating: "v", count: 1500))\r\n")
        pair.settle()
        #expect(pair.server.session.endedFor == nil)
        #expect(pair.server.streams.count == 1)
    }

    /// Whatever the order of the fields, the stream gets an owner, who answers it.
    @Test func aSectionTooLargeFromItsFirstFieldIsSaid() {
        let pair = HTTP2Loopback()
        let one = pair.client.make()
        let head = HTTP2FieldBlock()
        head.add(":path", [UInt8](repeating: 0x2f, count: 9000).span)
        head.add(":method", "GET")
        head.add(":scheme", "http")
        head.add(":authority", "shop.example")
        _ = pair.client.session.request(one.stream, head, ended: true)
        pair.settle()
        #expect(pair.server.streams.count == 1)
        #expect(pair.server.session.openStreams == 1)
    }
}

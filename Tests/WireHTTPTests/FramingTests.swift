import Exchanges
import Testing
import WireHTTP

/// How long is this body? Generated combinations against the rules of RFC 9112 section 6.3, with the
/// choices this gateway makes where the RFC leaves one: whatever could be read in two ways is refused.
@Suite struct FramingTests {
    private enum Line { case length(String), coding(String) }

    private static let lengths = [
        "0", "5", "05", "999999999999999999", "1000000000000000000", "18446744073709551616", "-1", "+5", "5 5", "5,5",
        "5, 5", "0x5", "5.0", "", "five", "٥", "5;", "1e3",
    ]
    private static let codings = [
        "chunked", "CHUNKED", "Chunked ", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity",
        "chunked;q=1", "", "xchunked", "chunked x", ", chunked", "\"chunked\"", "gzip,,chunked",
    ]

    /// nil = to be refused.
    private func oracle(_ lines: [Line], minor: Int) -> BodyFraming? {
        var lengths: [String] = []
        var codings: [String] = []
        for line in lines {
            switch line {
            case .length(let value): lengths.append(value)
            case .coding(let value): codings.append(value)
            }
        }
        if !codings.isEmpty {
            // Rule 3 with a Content-Length beside it, and rule 4; a coding on HTTP/1.0 (section 6.1).
            guard codings.count == 1, lengths.isEmpty, minor == 1 else { return nil }
            return codings[0].lowercased().trimmingSpaces == "chunked" ? .chunked : nil
        }
        guard let value = lengths.first else { return BodyFraming.none }
        let digits = value.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard lengths.count == 1, digits, (1...18).contains(value.utf8.count), let n = UInt64(value) else { return nil }
        return n == 0 ? BodyFraming.none : .length(n)
    }

    @Test(arguments: [0, 1]) func requestsAgreeWithTheRules(_ minor: Int) {
        var cases: [[Line]] = [[]]
        let all = Self.lengths.map { Line.length($0) } + Self.codings.map { Line.coding($0) }
        for a in all {
            cases.append([a])
            for b in all { cases.append([a, b]) }
        }
        for lines in cases {
            let text = "POST / HTTP/1.\(minor)\r\nHost: h\r\n" + lines.map(spelled).joined() + "\r\n"
            let reading = RequestReading(text)
            if let expected = oracle(lines, minor: minor) {
                #expect(reading.length != nil && reading.body == expected, "\(text)")
            } else {
                #expect(reading.fault != nil, "\(text)")
                // An unknown coding is the one thing to be told apart (501); all else is a bad request.
                let hasUnknown = lines.contains { if case .coding(let c) = $0 { c.lowercased() != "chunked" } else { false } }
                #expect(reading.fault?.status == 400 || (reading.fault?.status == 501 && hasUnknown), "\(text)")
            }
        }
    }

    private func spelled(_ line: Line) -> String {
        switch line {
        case .length(let value): "Content-Length: \(value)\r\n"
        case .coding(let value): "Transfer-Encoding: \(value)\r\n"
        }
    }

    @Test(arguments: [
        ("Content-Length: 5\r\nContent-Length: 5", .duplicateContentLength),
        ("Content-Length: 5\r\nContent-Length: 6", .duplicateContentLength), ("Content-Length: 5, 5", .badContentLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", .lengthAndCoding),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", .lengthAndCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .badTransferEncoding),
        ("Transfer-Encoding: chunked, gzip", .badTransferEncoding), ("Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
        ("Transfer-Encoding: gzip", .unknownTransferCoding), ("Transfer-Encoding: ", .badTransferEncoding),
        ("Transfer-Encoding: chunked;x", .badTransferEncoding),
    ] as [(String, HTTP1Fault)]) func theFaultIsNamed(_ lines: String, _ fault: HTTP1Fault) {
        #expect(RequestReading("POST / HTTP/1.1\r\nHost: h\r\n\(lines)\r\n\r\n").fault == fault)
        #expect(ResponseReading("HTTP/1.1 200 OK\r\n\(lines)\r\n\r\n").fault == fault)
    }

    @Test func aCodingOnHTTP10IsRefused() {
        #expect(RequestReading("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").fault == .codingOnHTTP10)
        #expect(ResponseReading("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").fault == .codingOnHTTP10)
    }

    /// RFC 9112 section 9.3.
    @Test(arguments: [
        (1, "", true), (1, "close", false), (1, "Keep-Alive", true), (1, "keep-alive, close", false), (1, "CLOSE", false),
        (1, "x-close", true), (1, "closed", true), (0, "", false), (0, "keep-alive", true), (0, "Keep-Alive, x", true),
        (0, "close, keep-alive", false), (1, "x, , close", false), (1, "\tclose\t", false),
    ] as [(Int, String, Bool)]) func persistence(_ minor: Int, _ option: String, _ persists: Bool) {
        let reading = RequestReading("GET / HTTP/1.\(minor)\r\nHost: h\r\nConnection: \(option)\r\n\r\n")
        #expect(reading.length != nil && reading.persistent == persists)
    }

    @Test func persistenceIsGatheredOverLines() {
        #expect(!RequestReading("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n").persistent)
    }

    @Test func upgradeNeedsBothFieldsAndTheVersion() {
        func upgrades(_ minor: Int, _ lines: String) -> Bool? {
            RequestReading("GET / HTTP/1.\(minor)\r\nHost: h\r\n\(lines)\r\n").flags.last
        }
        #expect(upgrades(1, "Connection: Upgrade\r\nUpgrade: websocket\r\n") == true)
        #expect(upgrades(1, "Upgrade: websocket\r\n") == false)
        #expect(upgrades(1, "Connection: upgrade\r\n") == false)
        #expect(upgrades(1, "Connection: upgrade\r\nUpgrade:\r\n") == false)
        #expect(upgrades(0, "Connection: upgrade\r\nUpgrade: websocket\r\n") == false)
    }
}

extension String {
    fileprivate var trimmingSpaces: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}

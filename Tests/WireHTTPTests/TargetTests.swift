import Exchanges
import Testing
import WireHTTP

/// The four forms of a request target and who may be asked (RFC 9112 section 3.2).
@Suite struct TargetTests {
    private func read(_ method: String, _ target: String, host: String? = "h", minor: Int = 1) -> RequestReading {
        let line = host.map { "Host: \($0)\r\n" } ?? ""
        return RequestReading("\(method) \(target) HTTP/1.\(minor)\r\n\(line)\r\n")
    }

    @Test(arguments: [
        ("/", "/", nil, "h"), ("/a/b", "/a/b", nil, "h"), ("/a?", "/a", "", "h"), ("/?b=c?d/", "/", "b=c?d/", "h"),
        ("//a", "//a", nil, "h"), ("/http://x/", "/http://x/", nil, "h"),
        ("http://other/p?q", "/p", "q", "other"), ("HTTP://other", "/", nil, "other"), ("http://other?q=1", "/", "q=1", "other"),
        ("http://other?", "/", "", "other"), ("https://other:8443/", "/", nil, "other:8443"), ("http://[::1]:80/x", "/x", nil, "[::1]:80"),
    ] as [(String, String, String?, String)])
    func isSplit(_ target: String, _ path: String, _ query: String?, _ authority: String) {
        let reading = read("GET", target)
        #expect(reading.length != nil)
        #expect(reading.path == path && reading.query == query && reading.authority == authority)
    }

    @Test(arguments: [
        ("GET", "*", .badTarget), ("OPTIONS", "**", .badTarget), ("OPTIONS", "*?a", .badTarget), ("GET", "a/b", .badTarget),
        ("GET", "?a", .badTarget), ("GET", "/a#b", .badTarget), ("GET", "/a?b#c", .badTarget), ("GET", "/a\\b", .badTarget),
        ("GET", "/<a>", .badTarget), ("GET", "/\"", .badTarget), ("GET", "/é", .badTarget), ("GET", "http:/a", .badTarget),
        ("GET", "http:", .badTarget), ("GET", "http:/", .badTarget), ("GET", "http://", .badHost), ("GET", "http:///p", .badHost),
        ("GET", "ftp://h/", .badTarget), ("GET", "h:80", .badTarget), ("GET", "://h/", .badTarget),
        ("GET", "http://user@h/", .badHost), ("GET", "http://user:pass@h/", .badHost), ("GET", "http://h:99999/", .badHost),
        ("GET", "http://h#f", .badTarget), ("GET", "http://h?a#f", .badTarget), ("GET", "http://h/a#f", .badTarget),
        ("GET", "http://a%2eb/", .badHost), ("GET", "http://a,b/", .badHost),
        ("CONNECT", "h:443", .connectUnsupported), ("CONNECT", "/", .connectUnsupported),
    ] as [(String, String, HTTP1Fault)]) func isRefused(_ method: String, _ target: String, _ fault: HTTP1Fault) {
        #expect(read(method, target).fault == fault)
    }

    /// Paths are looked at eight bytes at a time: what does not belong there is found wherever it stands.
    @Test(arguments: 1...26) func everyPlaceOfAPathIsLookedAt(_ length: Int) {
        for place in 1...length {
            func path(_ byte: UInt8) -> [UInt8] {
                var path = [0x2f] + Array(repeating: UInt8(ascii: "a"), count: length)
                path[place] = byte
                return path
            }
            for byte in Array("#\"<>\\".utf8) + [0x80, 0xff] {
                let line = Array("GET ".utf8) + path(byte) + Array(" HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
                #expect(RequestReading(line).fault == .badTarget, "\(byte) at \(place)")
            }
            for byte in Array("!$&'()*+,-./:;=@AZ[]^_`z{|}~%".utf8) {
                let target = String(decoding: path(byte), as: UTF8.self)
                #expect(read("GET", target).length != nil, "\(target)")
            }
            let parted = read("GET", String(decoding: path(0x3f), as: UTF8.self))
            #expect(parted.path.utf8.count == place && parted.query?.utf8.count == length - place)
        }
    }

    @Test func asteriskIsForOptions() {
        let reading = read("OPTIONS", "*")
        #expect(reading.length != nil && reading.path == "*" && reading.query == nil && reading.authority == "h")
    }

    /// An empty path of the absolute form is "/" however short the target, and stays inside it.
    @Test func anEmptyAbsolutePathPointsAtASlash() {
        for target in ["http://h", "https://h", "http://h?", "http://h?x=/"] { #expect(read("GET", target).path == "/") }
    }

    @Test(arguments: ["h", "H.example", "h:0", "h:80", "h:65535", "127.0.0.1:8080", "[::1]", "[::ffff:1.2.3.4]:443", "a-b_c~d.", "xn--bcher-kva"])
    func hostsThatAreRead(_ host: String) {
        #expect(read("GET", "/", host: host).authority == host)
        #expect(read("GET", "http://\(host)/", host: "x").authority == host)
    }

    @Test(arguments: [
        "", ":", ":80", "h:", "h:a", "h:65536", "h:00000080", "h:-1", "h:80:80", "u@h", "u:p@h", "h/", "h?", "h#", "a b", "a,b",
        "h;x", "[::1", "[]", "[::1]x", "[::1]:", "[g::1]", "[::1%25eth0]", "::1", "é", "%41", "h\\x", "a'b", "(h)", "[1]]",
    ]) func hostsThatAreRefused(_ host: String) {
        #expect(read("GET", "/", host: host).fault == .badHost)
    }

    @Test func hostLengthIsBounded() {
        let longest = String(repeating: "a", count: 261)
        #expect(read("GET", "/", host: longest).length != nil)
        #expect(read("GET", "/", host: longest + "a").fault == .badHost)
    }

    @Test func exactlyOneHost() {
        #expect(read("GET", "/", host: nil).fault == .missingHost)
        #expect(read("GET", "http://h/", host: nil).fault == .missingHost)
        #expect(read("GET", "/", host: "h\r\nHost: h").fault == .duplicateHost)
        #expect(read("GET", "/", host: "h\r\nhOST: other", minor: 0).fault == .duplicateHost)
        #expect(read("GET", "http://h/", host: "a b").fault == .badHost)
    }

    @Test func anOldClientNeedsNoHost() {
        let reading = read("GET", "/a", host: nil, minor: 0)
        #expect(reading.length != nil && reading.authority == "")
        #expect(read("GET", "http://h/a", host: nil, minor: 0).authority == "h")
        #expect(read("GET", "/", host: "u@h", minor: 0).fault == .badHost)
    }
}

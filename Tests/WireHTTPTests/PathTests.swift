import Exchanges
import Seeded
import Testing
import WireHTTP

/// One normal form for matching, policy and forwarding.
@Suite struct PathTests {
    /// With bytes around it, which must stay as they are.
    private func normal(_ path: [UInt8]) -> [UInt8]? {
        let before = Array("~%41".utf8)
        let after = Array("/../%".utf8)
        var text = before + path + after
        var span = text.mutableSpan
        let slice = PathNormalForm.normalise(Slice(before.count, before.count + path.count), in: &span)
        guard Array(text.prefix(before.count)) == before, Array(text.suffix(after.count)) == after else { return [0] }
        guard let slice else { return nil }
        guard slice.range.lowerBound == before.count, slice.range.upperBound <= before.count + path.count else { return [1] }
        return Array(text[slice.range])
    }

    private func normal(_ path: String) -> String? { normal(Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) } }

    @Test(arguments: [
        ("/", "/"), ("/a", "/a"), ("/a/", "/a/"), ("//", "/"), ("//a//b//", "/a/b/"), ("/.", "/"), ("/./", "/"), ("/a/.", "/a/"),
        ("/a/./b", "/a/b"), ("/a/..", "/"), ("/a/../", "/"), ("/a/b/..", "/a/"), ("/a/b/../c", "/a/c"), ("/a/../b/../c", "/c"),
        ("/...", "/..."), ("/.a", "/.a"), ("/a.", "/a."), ("/..a/", "/..a/"), ("/%2e%2E/", nil), ("/a/%2e%2e/b", "/b"),
        ("/%7Euser", "/~user"), ("/%41%5a%61%7A%30%39%2D%5f", "/AZaz09-_"), ("/a%2fb", "/a%2Fb"), ("/a%2Fb", "/a%2Fb"),
        ("/%c3%a9", "/%C3%A9"), ("/%25", "/%25"), ("/%252e", "/%252e"), ("/%20", "/%20"), ("/a//..", "/"), ("/a//../b", "/b"),
        ("/%2e", "/"), ("/%2e%2f..", "/.%2F.."), ("/;/..;/", "/;/..;/"), ("/a%5C..%5c", "/a%5C..%5C"), ("*", "*"),
        ("/..", nil), ("/../a", nil), ("/a/../../b", nil), ("/./..", nil), ("//..", nil), ("/%00", nil), ("/a%00b", nil),
        ("/%", nil), ("/%2", nil), ("/%g0", nil), ("/%0g", nil), ("/%%32e", nil), ("/% 1", nil), ("/%+1", nil),
    ] as [(String, String?)]) func isWritten(_ path: String, _ expected: String?) { #expect(normal(path) == expected) }

    /// The same in many words: decode, split, walk.
    private func reference(_ path: [UInt8]) -> [UInt8]? {
        let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        var decoded: [UInt8] = []
        var rest = path[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else {
                decoded.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard rest.count >= 2, digits.allSatisfy({ $0.isHexDigit && $0.isASCII }), let value = UInt8(digits, radix: 16),
                value != 0
            else { return nil }
            rest = rest.dropFirst(2)
            if unreserved.contains(value) { decoded.append(value) } else { decoded += Array("%\(digits.uppercased())".utf8) }
        }
        let segments = decoded.split(separator: 0x2f, omittingEmptySubsequences: false).dropFirst()
        var kept: [[UInt8]] = []
        for segment in segments {
            switch String(decoding: segment, as: UTF8.self) {
            case "", ".": continue
            case "..":
                if kept.popLast() == nil { return nil }
            default: kept.append(Array(segment))
            }
        }
        let last = segments.last.map { String(decoding: $0, as: UTF8.self) } ?? ""
        var result: [UInt8] = []
        for segment in kept { result += [0x2f] + segment }
        if kept.isEmpty || ["", ".", ".."].contains(last) { result.append(0x2f) }
        return result
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>) func agreesWithTheReference(_ seed: UInt64) {
        var random = Seeded(state: seed)
        let parts = [
            "/", "/", "/", ".", "..", "a", "b", "%2e", "%2E", "%2f", "%2F", "%41", "%c3", "%25", "%", "%0", "%00", "%7e", ";", "é",
        ]
        for _ in 0..<500 {
            let path = "/" + (0..<random.count(0...12)).map { _ in random.pick(parts) }.joined()
            let bytes = Array(path.utf8)
            let form = normal(bytes)
            #expect(form == reference(bytes), "\(path)")
            if let form { check(form, of: bytes) }
        }
    }

    /// What whoever reads the form relies on.
    private func check(_ form: [UInt8], of path: [UInt8]) {
        let text = String(decoding: form, as: UTF8.self)
        #expect(form.count <= path.count && form.first == 0x2f, "\(text)")
        #expect(normal(form) == form, "\(text) is not its own normal form")
        let segments = text.split(separator: "/", omittingEmptySubsequences: false)
        #expect(!segments.contains(".") && !segments.contains("..") && !text.contains("//"), "\(text)")
        for i in form.indices where form[i] == 0x25 {
            let escape = String(decoding: form[(i + 1)...(i + 2)], as: UTF8.self)
            #expect(escape == escape.uppercased(), "\(text)")
            let value = UInt8(escape, radix: 16) ?? 0
            let isUnreserved = value < 128 && (Character(UnicodeScalar(value)).isLetter || (0x30...0x39).contains(value) || Array("-._~".utf8).contains(value))
            #expect(value != 0 && !isUnreserved, "\(text)")
        }
    }
}

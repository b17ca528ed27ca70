import Exchanges
import Seeded
import Testing
import WireGRPC

/// gRPC-Web's text form: base64 in pieces.
@Suite struct GRPCWebTextTests {
    /// What a decoder makes of a text that comes in `pieces`; nil = refused.
    static func decode(_ pieces: [[UInt8]]) -> (bytes: [UInt8], isWhole: Bool)? {
        var decoder = GRPCWebTextDecoder()
        let out = Buffer(capacity: 16)
        for piece in pieces where !decoder.decode(piece.span, into: out) {
            #expect(!decoder.isWhole)
            let isRead = decoder.decode(Array("AAAA".utf8).span, into: out)
            #expect(!isRead, "what is broken stays broken")
            return nil
        }
        return (out.copyReadable(), decoder.isWhole)
    }

    static func encode(_ bytes: [UInt8]) -> [UInt8] {
        let out = Buffer(capacity: 16)
        GRPCWebText.encode(bytes.span, into: out)
        return out.copyReadable()
    }

    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func theVectorsOfTheStandard(_ plain: String, _ text: String) throws {
        #expect(Self.encode(Array(plain.utf8)) == Array(text.utf8))
        let decoded = try #require(Self.decode([Array(text.utf8)]))
        #expect(decoded.bytes == Array(plain.utf8) && decoded.isWhole)
    }

    /// Encoded in pieces, cut anywhere, decoded: the same bytes.
    @Test(arguments: 1...100 as ClosedRange<UInt64>) func whatIsEncodedIsDecoded(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let bytes = (0..<random.count(0...500)).map { _ in UInt8.random(in: 0...255, using: &random) }
        var text: [UInt8] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let n = random.count(1...rest.count)
            text += Self.encode(Array(rest.prefix(n)))
            rest = rest.dropFirst(n)
        }
        var pieces: [[UInt8]] = []
        var left = text[...]
        while !left.isEmpty {
            let n = random.count(1...min(9, left.count))
            pieces.append(Array(left.prefix(n)))
            left = left.dropFirst(n)
        }
        let decoded = try #require(Self.decode(pieces))
        #expect(decoded.bytes == bytes && decoded.isWhole)
    }

    @Test(arguments: [
        "A===", "=AAA", "====", "AA=A", "A=AA", "AAA=A=", "AB==", "AAB=", "AA-A", "AA_A", "AAA\n", " AAA", "AAAA\0", "ÄÄ",
        "AA== AA==", "AAA=AA=A",
    ])
    func whatIsNotBase64(_ text: String) { #expect(Self.decode([Array(text.utf8)]) == nil) }

    @Test(arguments: ["A", "AA", "AAA", "AA=", "AAAAA", "Zg==Z"]) func whatHasNotEnded(_ text: String) throws {
        #expect(try !#require(Self.decode([Array(text.utf8)])).isWhole)
    }

    @Test(arguments: ["AA==AA==", "AAA=AA==AAAA", "Zm8=Zm9v"]) func paddingEndsOnlyItsPiece(_ text: String) throws {
        #expect(try #require(Self.decode([Array(text.utf8)])).isWhole)
    }

    @Test(arguments: [
        ("application/grpc-web", ""), ("application/grpc-web+proto", "+proto"), ("application/grpc-web-text+proto", "+proto"),
        ("application/grpc-web+json; charset=utf-8", "+json"), ("application/grpc-web;a=b+c", ""), ("application/grpc-web+", ""),
        ("application/grpc-web+proto+thrift", "+proto"), ("application/grpc-web+pro\u{1}to", "+pro"), ("", ""), ("+", ""),
        ("application/grpc-web+" + String(repeating: "x", count: 15), "+" + String(repeating: "x", count: 15)),
        ("application/grpc-web+" + String(repeating: "x", count: 16), ""),
    ])
    func formats(_ type: String, _ format: String) {
        let bytes = Array(type.utf8)
        let found = GRPCWebType.format(of: bytes.span)
        #expect(String(decoding: bytes[found.range], as: UTF8.self) == format)
    }

    @Test(arguments: [
        ("", nil), ("*/*", nil), ("application/json", nil), ("application/grpc-web", false), ("application/grpc-web+proto", false),
        ("application/grpc-web-text", true), ("Application/GRPC-Web-Text+proto", true),
        ("text/html, application/grpc-web-text;q=0.5", true), ("application/grpc-we", nil), ("application/grpc-web-tex", false),
    ] as [(String, Bool?)])
    func forms(_ accept: String, _ isText: Bool?) {
        let bytes = Array(accept.utf8)
        for asked in [false, true] {
            let answersText = GRPCWebType.answersText(accept: bytes.span, whenAsked: asked)
            #expect(answersText == isText ?? asked)
        }
    }
}

import Exchanges
import Testing
import WireGRPC

@Suite struct GRPCInflationTests {
    /// 40 times "abcdefgh", by gzip and by zlib.
    static let text = Array(repeating: Array("abcdefgh".utf8), count: 40).flatMap { $0 }
    static let gzip: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 76, 74, 78, 73, 77, 75, 207, 72, 28,
        165, 201, 162, 1, 79, 38, 194, 151, 64, 1, 0, 0,
    ]
    static let zlib: [UInt8] = [
        120, 156, 75, 76, 74, 78, 73, 77, 75, 207, 72, 28, 165, 201, 162, 1, 194, 18, 125, 161,
    ]

    private func inflate(_ bytes: [UInt8], _ encoding: String, limit: Int = 1 << 20) -> (GRPCInflation.Outcome, [UInt8]) {
        let out = Buffer(capacity: 16)
        out.append("before" as StaticString)
        let outcome = GRPCInflation.inflate(bytes.span, encoding: Array(encoding.utf8).span, limit: limit, into: out)
        return (outcome, Array(out.copyReadable().dropFirst(6)))
    }

    @Test func bothEncodings() {
        #expect(inflate(Self.gzip, "gzip") == (.inflated, Self.text))
        #expect(inflate(Self.zlib, "DEFLATE") == (.inflated, Self.text))
        #expect(inflate(Self.gzip, "gzip", limit: 320) == (.inflated, Self.text))
    }

    @Test func theBoundIsWhatComesOut() {
        for limit in [0, 1, 319] { #expect(inflate(Self.gzip, "gzip", limit: limit).0 == .tooLarge) }
    }

    @Test func nothingElseIsTaken() {
        #expect(inflate(Self.gzip, "br").0 == .unknownEncoding && inflate(Self.gzip, "").0 == .unknownEncoding)
        #expect(inflate(Self.gzip, "deflate").0 == .malformed && inflate(Self.zlib, "gzip").0 == .malformed)
        #expect(inflate([], "gzip").0 == .malformed)
        #expect(inflate(Self.gzip + [0], "gzip").0 == .malformed, "bytes after the end")
        for end in 0..<Self.gzip.count { #expect(inflate(Array(Self.gzip[..<end]), "gzip").0 == .malformed, "cut at \(end)") }
    }

    /// No sequence of bytes does anything but end.
    @Test func anyBytesEnd() {
        for i in Self.gzip.indices {
            for bit in 0..<8 {
                var bytes = Self.gzip
                bytes[i] ^= 1 << UInt8(bit)
                let (outcome, out) = inflate(bytes, "gzip", limit: 4096)
                #expect(outcome != .unknownEncoding && out.count <= 4097)
            }
        }
    }
}

import JOSE
import Seeded
import Testing

/// RSASSA-PKCS1-v1_5 with what was prepared of a key: of every signature it says what OpenSSL's own check says.
@Suite struct PreparedModulusTests {
    private static let input = Array("header.payload".utf8)
    private static let algorithms: [(Algorithm, bits: Int)] = [(.rs256, 256), (.rs384, 384), (.rs512, 512)]

    /// One key's two ways of checking.
    private struct Both: Sendable {
        let raw: RawRSA
        let plain: VerificationKey
        let prepared: VerificationKey

        init(bits: Int, exponent: UInt = 65537) throws {
            raw = try #require(RawRSA(bits: bits, exponent: exponent))
            plain = try Minting.taken(jwk: raw.jwk)
            prepared = try Minting.taken(jwk: raw.jwk, prepares: true)
        }

        /// What both say; nil when they differ.
        func verdict(_ signature: [UInt8], _ algorithm: Algorithm = .rs256, of input: [UInt8] = PreparedModulusTests.input) -> Bool? {
            let (a, b) = (
                plain.verifies(signature.span, of: input.span, by: algorithm), prepared.verifies(signature.span, of: input.span, by: algorithm)
            )
            return a == b ? a : nil
        }

        /// 00 01 FF … FF 00 and `end`, or with other bytes where told.
        func message(_ end: [UInt8], start: [UInt8] = [0, 1], fill: UInt8 = 0xff, separator: [UInt8] = [0]) -> [UInt8] {
            let room = raw.modulus.count - start.count - separator.count - end.count
            return start + [UInt8](repeating: fill, count: max(0, room)) + separator + end
        }
    }

    /// The DER that stands before a digest, written out (RFC 8017 section 9.2, note 1).
    private static func info(_ bits: Int) -> [UInt8] {
        switch bits {
        case 256: [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20]
        case 384: [0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30]
        default: [0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40]
        }
    }

    private static let both = Result { try Both(bits: 2048) }

    @Test(arguments: [2048, 2049, 2055, 2112, 2500, 3072, 4096]) func sizesAndChangesAreJudgedAlike(_ bits: Int) throws {
        var random = Seeded(state: 0x45a0 + UInt64(bits))
        let both = try bits == 2048 ? Self.both.get() : Both(bits: bits)
        for (algorithm, hashBits) in Self.algorithms {
            for _ in 0..<12 {
                let input = (0..<random.count(0...300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let signature = try #require(both.raw.sign(both.message(Self.info(hashBits) + RawRSA.digest(input, bits: hashBits))))
                #expect(both.verdict(signature, algorithm, of: input) == true)
                #expect(both.verdict(signature, algorithm, of: input + [0]) == false)
                for (other, _) in Self.algorithms where other != algorithm { #expect(both.verdict(signature, other, of: input) == false) }
                for _ in 0..<8 {
                    var changed = signature
                    for _ in 0..<random.count(1...3) { changed[random.count(0...(changed.count - 1))] ^= UInt8(1 << random.count(0...7)) }
                    if changed != signature { #expect(both.verdict(changed, algorithm, of: input) == false) }
                }
                let drawn = (0..<signature.count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                #expect(both.verdict(drawn, algorithm, of: input) == false)
            }
        }
    }

    @Test(arguments: [2048, 2049, 3072]) func numbersAndLengthsAtTheEdge(_ bits: Int) throws {
        let both = try bits == 2048 ? Self.both.get() : Both(bits: bits)
        let n = both.raw.modulus
        let zero = [UInt8](repeating: 0, count: n.count)
        let good = try #require(both.raw.sign(both.message(Self.info(256) + RawRSA.digest(Self.input, bits: 256))))
        #expect(both.verdict(good) == true)
        let all: [[UInt8]] = [
            zero, zero.stepped(by: 1), zero.stepped(by: 1).stepped(by: 1), n.stepped(by: -1), n, n.stepped(by: 1), zero.stepped(by: -1),
            // What is congruent to a good one, or its negative.
            n.minus(good), good.minus(n), good.minus(zero.minus(n)),
            // Numbers with words of zeros above and below.
            [UInt8](repeating: 0, count: n.count - 16) + good.suffix(16), good.prefix(16) + [UInt8](repeating: 0, count: n.count - 16),
            [UInt8](repeating: 0, count: 8) + good.dropFirst(8),
            // Wrong lengths, the same number among them.
            [0] + good, good + [0], Array(good.dropLast()), Array(good.dropFirst()), [], [0], [1], good + good, [0, 0, 0, 0, 0, 0, 0, 0] + good,
        ]
        for wrong in all { #expect(both.verdict(wrong) == false, "\(wrong.prefix(4))… of \(wrong.count)") }
        // Still as before.
        #expect(both.verdict(good) == true)
    }

    /// A signature that begins with zeros is one only with them.
    @Test func zerosBeforeASignatureBelongToIt() throws {
        let both = try Self.both.get()
        var found = 0
        for i in 0..<20_000 {
            let input = Array("input \(i)".utf8)
            guard found < 2, let signature = both.raw.sign(both.message(Self.info(256) + RawRSA.digest(input, bits: 256))) else { break }
            guard signature[0] == 0 else { continue }
            found += 1
            #expect(both.verdict(signature, of: input) == true)
            #expect(both.verdict(Array(signature.dropFirst()), of: input) == false)
        }
        #expect(found == 2)
    }

    @Test func everyBitOfTheMessageCounts() throws {
        let both = try Self.both.get()
        let message = both.message(Self.info(256) + RawRSA.digest(Self.input, bits: 256))
        var judged = 0
        for bit in 0..<(message.count * 8) {
            var changed = message
            changed[bit / 8] ^= UInt8(1 << (bit % 8))
            // Above the modulus there is no such signature.
            guard let signature = both.raw.sign(changed) else { continue }
            judged += 1
            #expect(both.verdict(signature) == false, "bit \(bit)")
        }
        #expect(judged >= message.count * 8 - 1)
    }

    /// What has passed for a signature elsewhere (CVE-2006-4339 and its relatives): none of it is the encoded message.
    @Test func whatLooksLikeAMessageIsNone() throws {
        let both = try Self.both.get()
        let digest = RawRSA.digest(Self.input, bits: 256)
        let info = Self.info(256)
        let rest = [UInt8](repeating: 0, count: both.raw.modulus.count - 3 - 8 - info.count - digest.count)
        let withoutNull: [UInt8] = [0x30, 0x2f, 0x30, 0x0b] + info[4..<15] + [0x04, 0x20]
        let longForm: [UInt8] = [0x30, 0x81, 0x31] + info[2...]
        let longFormInside: [UInt8] = [0x30, 0x32, 0x30, 0x81, 0x0d] + info[4...]
        let indefinite: [UInt8] = [0x30, 0x80] + info[2...]
        let sha1: [UInt8] = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14]
        var sha224 = info
        sha224[14] = 4
        var sha384 = info
        sha384[14] = 2
        var sha3 = info
        sha3[14] = 8
        let messages: [(String, [UInt8])] = [
            ("no NULL", both.message(withoutNull + digest)), ("a long length", both.message(longForm + digest)),
            ("a long length inside", both.message(longFormInside + digest)), ("no length", both.message(indefinite + digest + [0, 0])),
            ("NULL with contents", both.message([0x30, 0x32, 0x30, 0x0e] + info[4..<15] + [0x05, 0x01, 0x00, 0x04, 0x20] + digest)),
            ("another hash: SHA-1", both.message(sha1 + digest.prefix(20))), ("another hash: SHA-224", both.message(sha224 + digest)),
            ("another hash: SHA-384", both.message(sha384 + digest)), ("another hash: SHA3-256", both.message(sha3 + digest)),
            ("SHA-384 for RS256", both.message(Self.info(384) + RawRSA.digest(Self.input, bits: 384))),
            ("the digest alone", both.message(digest)), ("no digest", both.message(info)), ("half a digest", both.message(info + digest.prefix(16))),
            ("a digest too long", both.message(info + digest + [0])), ("a digest of another input", both.message(info + RawRSA.digest([1], bits: 256))),
            ("bytes behind it", [0, 1] + [UInt8](repeating: 0xff, count: 8) + [0] + info + digest + rest),
            ("bytes in it", [0, 1] + [UInt8](repeating: 0xff, count: 8) + [0] + rest + info + digest),
            ("no padding", both.message(info + digest, start: [0, 1], fill: 0)), ("padding of other bytes", both.message(info + digest, fill: 0xfe)),
            ("block type 0", both.message(info + digest, start: [0, 0])), ("block type 2", both.message(info + digest, start: [0, 2])),
            ("no separator", both.message(info + digest, separator: [])), ("another separator", both.message(info + digest, separator: [1])),
            ("two separators", both.message(info + digest, separator: [0, 0])), ("one byte early", Array(both.message(info + digest).dropFirst()) + [0]),
            ("all ones", [0] + [UInt8](repeating: 0xff, count: both.raw.modulus.count - 1)),
        ]
        for (what, message) in messages {
            let signature = try #require(both.raw.sign(message), "\(what)")
            for (algorithm, _) in Self.algorithms where !(what == "SHA-384 for RS256" && algorithm == .rs384) {
                #expect(both.verdict(signature, algorithm) == false, "\(what), \(algorithm)")
            }
        }
    }

    /// Other exponents are checked as before; the digest's own number with e = 3 is the classic forgery's ground.
    @Test(arguments: [3, 17, 65539] as [UInt]) func otherExponentsAreChecked(_ exponent: UInt) throws {
        let both = try Both(bits: 2048, exponent: exponent)
        let good = try #require(both.raw.sign(both.message(Self.info(256) + RawRSA.digest(Self.input, bits: 256))))
        #expect(both.verdict(good) == true)
        #expect(both.verdict(good.stepped(by: 1)) == false)
        let garbage = try #require(
            both.raw.sign(
                [0, 1] + [UInt8](repeating: 0xff, count: 8) + [0] + Self.info(256) + RawRSA.digest(Self.input, bits: 256)
                    + [UInt8](repeating: 0, count: both.raw.modulus.count - 62)))
        #expect(both.verdict(garbage) == false)
    }

    /// A modulus that is no product of two primes is its publisher's harm, and judged alike as well.
    @Test func anyOddModulusIsJudgedAlike() throws {
        var random = Seeded(state: 0x0dd)
        for _ in 0..<8 {
            var n = (0..<256).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            n[0] |= 0x80
            n[255] |= 1
            let text = String(decoding: Base64URL.encode(n.span), as: UTF8.self)
            let jwk = Array(#"{"kty":"RSA","n":"\#(text)","e":"AQAB"}"#.utf8)
            let (plain, prepared) = (try Minting.taken(jwk: jwk), try Minting.taken(jwk: jwk, prepares: true))
            for _ in 0..<8 {
                let signature = (0..<256).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let verdicts = [plain, prepared].map { $0.verifies(signature.span, of: Self.input.span, by: .rs256) }
                #expect(verdicts == [false, false])
            }
        }
    }
}

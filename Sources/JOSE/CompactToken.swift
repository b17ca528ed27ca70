internal import Contracts
public import Exchanges

/// A signed token as it comes (RFC 7515 section 7.1: compact serialization), taken apart and not believed yet.
///
/// Its header has passed every rule that needs no key: a supported `alg`, and nothing that would change how the
/// rest is read or where the key comes from. What is in `payload` counts only after the signature holds.
public struct CompactToken: Sendable {
    /// Bytes of a token.
    public static let longest = 8 * 1024
    /// Bytes of `kid`, decoded.
    public static let longestKeyID = 256
    /// What the header may hold: names and values together, and their depth.
    static let headerLimits = JSONLimits(bytes: 4 * 1024, depth: 4, values: 64)

    public let algorithm: Algorithm
    /// `kid`: any bytes the sender likes, for comparison only. Nil = absent.
    public let keyID: [UInt8]?
    /// `typ`. Nil = absent.
    public let type: [UInt8]?
    /// What was signed, in the text the token was read from: from its first byte to the second dot.
    public let signingInput: Slice
    /// Decoded; may be empty.
    public let payload: [UInt8]
    /// Decoded; never empty.
    public let signature: [UInt8]

    /// Takes one token apart; all of `text` must be the token.
    public init(_ text: Span<UInt8>) throws(TokenFault) {
        guard text.count <= CompactToken.longest else { throw .tooLong }
        let first = CompactToken.dot(in: text, from: 0)
        let second = CompactToken.dot(in: text, from: first + 1)
        // A third is no character of the signature.
        guard first > 0, second + 1 < text.count else { throw .wrongParts }
        guard let header = Base64URL.decode(text.extracting(0..<first)),
            let payload = Base64URL.decode(text.extracting((first + 1)..<second)),
            let signature = Base64URL.decode(text.extracting((second + 1)...))
        else { throw CompactToken.dot(in: text, from: second + 1) < text.count ? .wrongParts : .badEncoding }
        let protected = try ProtectedHeader(header.span)
        algorithm = protected.algorithm
        keyID = protected.keyID
        type = protected.type
        signingInput = Slice(0, second)
        self.payload = payload
        self.signature = signature
    }

    /// Where the next dot stands; the text's length when there is none.
    private static func dot(in text: Span<UInt8>, from start: Int) -> Int {
        var at = start
        // Eight bytes at a time while none of them is one: such a byte becomes zero, and alone of all borrows.
        while at &+ 8 <= text.count {
            let word = text.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self) ^ 0x2e2e_2e2e_2e2e_2e2e
            if (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0 { break }
            at &+= 8
        }
        while at < text.count, text[at] != UInt8(ascii: ".") { at &+= 1 }
        return at
    }
}

/// The header of a signed token (RFC 7515 section 4).
struct ProtectedHeader {
    let algorithm: Algorithm
    let keyID: [UInt8]?
    let type: [UInt8]?

    init(_ text: Span<UInt8>) throws(TokenFault) {
        let tape: JSONTape
        do {
            tape = try JSONTape(text, limits: CompactToken.headerLimits)
        } catch {
            throw error.reason == .duplicateName ? .duplicateMember : .badHeader
        }
        guard tape[0].kind == .object else { throw .badHeader }
        var algorithm: Algorithm?
        var keyID: [UInt8]?
        var type: [UInt8]?
        var name = 1
        while name < tape.next(0) {
            let value = name + 1
            let raw = text.extracting(tape[name].text.range)
            switch tape[name].escaped ? Member(tape.string(name, in: text).span) : Member(raw) {
            case .algorithm:
                guard tape[value].kind == .string else { throw .unsupportedAlgorithm }
                let named = text.extracting(tape[value].text.range)
                algorithm = tape[value].escaped ? Algorithm(name: tape.string(value, in: text).span) : Algorithm(name: named)
                if algorithm == nil { throw .unsupportedAlgorithm }
            case .keyID:
                guard tape[value].kind == .string else { throw .badKeyID }
                let id = tape.string(value, in: text)
                guard id.count <= CompactToken.longestKeyID else { throw .badKeyID }
                keyID = id
            case .type:
                guard tape[value].kind == .string else { throw .badType }
                type = tape.string(value, in: text)
            case .forbidden: throw .forbiddenHeader
            case .other: break
            }
            name = tape.next(value)
        }
        guard let algorithm else { throw .unsupportedAlgorithm }
        self.algorithm = algorithm
        self.keyID = keyID
        self.type = type
    }

    private enum Member {
        case algorithm, keyID, type, forbidden, other

        init(_ name: Span<UInt8>) {
            if name.equals("alg") {
                self = .algorithm
            } else if name.equals("kid") {
                self = .keyID
            } else if name.equals("typ") {
                self = .type
            } else if name.equals("crit") || name.equals("b64") || name.equals("zip") || name.equals("jwk") || name.equals("jku")
                || name.equals("x5u") || name.equals("x5c")
            {
                // `crit`: we understand no extension. `b64` and `zip` change what is signed. The others say where
                // to find the key, and that is never the token's to say.
                self = .forbidden
            } else {
                self = .other
            }
        }
    }
}

import Exchanges
import JOSE

/// Any text as a token: refused, or taken apart so that its parts are those of the text again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    let whole: [UInt8] = input.bytes
    if let bytes = Base64URL.decode(input) { precondition(Base64URL.encode(bytes.span) == whole, "two texts for the same bytes") }
    guard let token = try? CompactToken(input) else { return 0 }
    precondition(!token.signature.isEmpty && token.keyID?.count ?? 0 <= CompactToken.longestKeyID)
    var text: [UInt8] = input.extracting(token.signingInput.range).bytes
    text.append(UInt8(ascii: "."))
    text += Base64URL.encode(token.signature.span)
    precondition(text == whole, "a tail was taken")
    let keys = FuzzKeys.set()
    precondition((try? keys.verify(token, in: input)) == nil, "a signature out of nothing")
    return 0
}

private enum FuzzKeys {
    /// Public keys of published examples, nobody's; a secret of RFC 7515.
    /// Made each time: the leak checker does not find keys that a constant keeps, behind pointers with tags.
    static func set() -> KeySet {
        let text = #"""
            {"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
            """#
        return (try? KeySet(Array(text.utf8).span, takesSecrets: true)) ?? KeySet([])
    }
}

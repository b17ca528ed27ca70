import Exchanges
import JOSE

/// Any text as a set of keys: refused, or within its bounds, and what was taken verifies nothing.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    if let key = try? SigningKey(jwk: input) {
        precondition((try? SigningKey(jwk: key.privateJWK.span)) != nil, "a written key is not read again")
    }
    guard let set = try? KeySet(input, takesSecrets: true) else { return 0 }
    precondition(set.keys.count + set.skipped.count <= KeySet.most)
    let signature = [UInt8](repeating: 0, count: 64)
    for key in set.keys {
        precondition(!key.algorithms.isEmpty && key.keyID?.count ?? 0 <= CompactToken.longestKeyID)
        for algorithm in [Algorithm.es256, .edDSA, .hs512] { precondition(!key.verifies(signature.span, of: input, by: algorithm)) }
    }
    return 0
}

import Exchanges
import JOSE

/// Any text as claims: refused, or within bounds, and judged without a trap at any time.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    let payload: [UInt8] = input.bytes
    guard let claims = try? ClaimSet(payload) else { return 0 }
    for date in [claims.expiresMS, claims.notBeforeMS, claims.issuedMS] {
        precondition(date.map { abs($0) <= ClaimSet.furthestMS } ?? true)
    }
    precondition(claims.audiences.count <= ClaimSet.mostEntries && claims.scopes.count <= ClaimSet.mostEntries)
    let roles = try? claims.texts(at: [Array("realm_access".utf8), Array("roles".utf8)])
    precondition(roles?.count ?? 0 <= ClaimSet.mostEntries)
    _ = claims.text(at: [Array("a".utf8)])
    let rules = ClaimRules(issuer: claims.issuer ?? [], audiences: claims.audiences, leewayMS: 60_000)
    for now in [Int64.min, -1, 0, 1_800_000_000_000, .max] {
        if (try? claims.check(rules, nowMS: now, type: nil)) != nil { precondition(claims.expiresMS.map { now < $0 + 60_000 } ?? false) }
    }
    return 0
}

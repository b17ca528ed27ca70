import JOSE
import Settings

/// Which claims of an issuer's tokens mean what, ready to be looked up.
struct ClaimNames: Sendable {
    let roles: [[UInt8]]
    let scopes: [[UInt8]]
    /// The registered one is read already.
    let scopesAreRegistered: Bool
    let service: (path: [[UInt8]], values: [[UInt8]])?
    let kept: [(name: [UInt8], path: [[UInt8]])]
    /// Names as they are written upstream.
    let headers: [(name: [UInt8], path: [[UInt8]])]

    init(_ settings: IssuerSettings) {
        roles = settings.roles.bytes
        scopes = settings.scopes.bytes
        scopesAreRegistered = settings.scopes == ClaimPath("scope")
        service = settings.service.map { ($0.claim.bytes, $0.values.map { Array($0.utf8) }) }
        kept = settings.claims.map { (Array($0.description.utf8), $0.bytes) }
        headers = settings.headers.map { (Array($0.name.utf8), $0.claim.bytes) }
    }
}

extension ClaimPath {
    fileprivate var bytes: [[UInt8]] { names.map { Array($0.utf8) } }
}

import Exchanges
import Testing

@testable import Gateway

@Suite struct KeptSenderTests {
    private let ann = Principal(
        kind: .user, issuer: Array("shop".utf8), subject: Array("ann".utf8), roles: [Array("DEVICE".utf8), Array("STAFF".utf8)],
        scopes: [Array("read".utf8)], claims: [(name: Array("tenant".utf8), value: Array("acme".utf8))], tokenID: Array("jti-1".utf8),
        expiresMS: 5000, issuedMS: 1_700_000_000_123, fieldLines: Array("x-user: ann\r\n".utf8))

    @Test func whatAuthorisationAsksForComesBack() {
        let kept = KeptSender(owner: ann.owner(isNewSession: false), standing: KeptSender.standing(of: ann, listener: "devices"))
        #expect(kept.listener == "devices")
        #expect(kept.principal.kind == .user && kept.principal.issuer == ann.issuer && kept.principal.subject == ann.subject)
        #expect(kept.principal.roles == ann.roles && kept.principal.scopes == ann.scopes)
        #expect(kept.principal.claims.map(\.name) == ann.claims.map(\.name) && kept.principal.claims.map(\.value) == ann.claims.map(\.value))
        // By which it can be revoked; it was good when he sent the message.
        #expect(kept.principal.tokenID == ann.tokenID && kept.principal.issuedMS == ann.issuedMS && kept.principal.expiresMS == .max)
        #expect(kept.principal.fieldLines == ann.fieldLines)
    }

    @Test func whoeverHasTooMuchKeepsHisName() {
        let many = Principal(kind: .user, issuer: ann.issuer, subject: ann.subject, roles: (0..<1000).map { Array("ROLE-\($0)".utf8) })
        let standing = KeptSender.standing(of: many, listener: "devices")
        #expect(standing.count <= KeptSender.most)
        let kept = KeptSender(owner: many.owner(isNewSession: false), standing: standing)
        #expect(kept.listener == "devices" && kept.principal.subject == ann.subject && kept.principal.roles.isEmpty)
    }

    @Test func whatCannotBeReadGivesNoRights() {
        let whole = KeptSender.standing(of: ann, listener: "devices")
        let owner = ann.owner(isNewSession: false)
        let damaged = (0..<whole.count).map { Array(whole.prefix($0)) } + [whole + [0], [2] + whole.dropFirst()]
        for standing in damaged {
            let kept = KeptSender(owner: owner, standing: standing)
            #expect(kept.listener == nil && kept.principal.subject == ann.subject && kept.principal.roles.isEmpty)
        }
        for owner in [[], [9, 0], [3, 97]] as [[UInt8]] {
            #expect(KeptSender(owner: owner, standing: whole).principal.kind == .anonymous)
        }
    }
}

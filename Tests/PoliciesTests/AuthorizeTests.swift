import Exchanges
import Policies
import Testing

/// One policy, many principals: what the head alone decides, and what it leaves to the body or the object.
struct AuthorizeTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func principal(
        _ kind: Principal.Kind = .user, _ subject: String = "ann", roles: [String] = [], scopes: [String] = [],
        issuer: String = "shop", claims: [(String, String)] = []
    ) -> Principal {
        Principal(
            kind: kind, issuer: bytes(issuer), subject: bytes(subject), roles: roles.map(bytes), scopes: scopes.map(bytes),
            claims: claims.map { (bytes($0.0), bytes($0.1)) })
    }

    private func rule(_ number: UInt16, _ change: (inout AccessRule) -> Void = { _ in }) -> AccessRule {
        var rule = AccessRule(number: number)
        change(&rule)
        return rule
    }

    private func decide(
        _ grants: [AccessRule], denying denials: [AccessRule] = [], _ principal: Principal, body: String? = nil, path: String = ""
    ) -> Authorize.Decision {
        Authorize.decide(AccessPolicy(denials: denials, grants: grants), principal) { owner, principal, unclear in
            switch owner {
            case .parameter: principal.subject == bytes(path)
            case .field: body.map { principal.subject == bytes($0) }
            case .anyone, .object: nil
            }
        }
    }

    @Test func nobodyMayWithoutARule() {
        #expect(decide([], principal()) == .denied(rule: nil, lacksScope: false))
        #expect(decide([], principal(roles: ["ADMIN"])) == .denied(rule: nil, lacksScope: false))
    }

    @Test func anyOfTheRolesWillDo() {
        let staff = rule(3) { $0.roles = ["STAFF", "ADMIN"].map(bytes) }
        #expect(decide([staff], principal(roles: ["ADMIN"])) == .allowed(rule: 3))
        #expect(decide([staff], principal(roles: ["x", "STAFF"])) == .allowed(rule: 3))
        #expect(decide([staff], principal(roles: ["staff", "STAFFS", ""])) == .denied(rule: nil, lacksScope: false))
    }

    @Test func allOfTheScopesAreNeededAndItIsSaidWhenOnlyTheyAreMissing() {
        let read = rule(0) {
            $0.roles = [bytes("A")]
            $0.scopes = ["r", "w"].map(bytes)
        }
        #expect(decide([read], principal(roles: ["A"], scopes: ["w", "q", "r"])) == .allowed(rule: 0))
        #expect(decide([read], principal(roles: ["A"], scopes: ["r"])) == .denied(rule: nil, lacksScope: true))
        #expect(decide([read], principal(roles: ["B"], scopes: ["r"])) == .denied(rule: nil, lacksScope: false))
    }

    @Test func kindIssuerSubjectAndClaimsMustAllFit() {
        let fits = rule(1) {
            $0.kinds = AccessRule.bit(.service)
            $0.issuers = [bytes("mesh")]
            $0.subjects = [bytes("front")]
            $0.claims = [(bytes("zone"), ["a", "b"].map(bytes))]
        }
        let right = (Principal.Kind.service, "front", "mesh", [("zone", "b")])
        func asked(_ kind: Principal.Kind, _ subject: String, _ issuer: String, _ claims: [(String, String)]) -> Bool {
            decide([fits], principal(kind, subject, issuer: issuer, claims: claims)) == .allowed(rule: 1)
        }
        #expect(asked(right.0, right.1, right.2, right.3))
        #expect(!asked(.user, right.1, right.2, right.3))
        #expect(!asked(right.0, "back", right.2, right.3))
        #expect(!asked(right.0, right.1, "shop", right.3))
        #expect(!asked(right.0, right.1, right.2, []))
        #expect(!asked(right.0, right.1, right.2, [("zone", "c"), ("zon", "a")]))
    }

    @Test func anOwnerIsFoundInThePath() {
        let own = rule(2) { $0.owner = .parameter(0) }
        #expect(decide([own], principal(), path: "ann") == .allowed(rule: 2))
        #expect(decide([own], principal(), path: "bob") == .denied(rule: nil, lacksScope: false))
        #expect(decide([own], principal(.user, ""), path: "") == .denied(rule: nil, lacksScope: false))
        #expect(decide([own], .anonymous, path: "") == .denied(rule: nil, lacksScope: false))
    }

    @Test func theBodyIsWaitedForOnlyWhereItDecides() {
        let own = rule(0) { $0.owner = .field(0) }
        let staff = rule(1) { $0.roles = [bytes("STAFF")] }
        #expect(decide([own, staff], principal()) == .needsBody)
        #expect(decide([own, staff], principal(), body: "ann") == .allowed(rule: 0))
        #expect(decide([own, staff], principal(), body: "bob") == .denied(rule: nil, lacksScope: false))
        #expect(decide([own, staff], principal(roles: ["STAFF"])) == .allowed(rule: 1), "nobody needs its body")
        #expect(decide([own, staff], .anonymous) == .denied(rule: nil, lacksScope: false), "nor anonymous's")
        let scoped = rule(0) {
            $0.owner = .field(0)
            $0.scopes = [bytes("w")]
        }
        #expect(decide([scoped], principal()) == .denied(rule: nil, lacksScope: true), "nor one that lacks scopes anyway")
    }

    @Test func theObjectIsLeftToItsHolder() {
        let staff = rule(0) {
            $0.roles = [bytes("STAFF")]
            $0.states = ["Created", "Confirmed"]
        }
        let own = rule(1) {
            $0.owner = .object
            $0.states = ["Created"]
        }
        #expect(decide([staff, own], principal()) == .needsObject(ObjectAccess([.init(owner: bytes("ann"), states: ["Created"], rule: 1)])))
        #expect(
            decide([staff, own], principal(roles: ["STAFF"]))
                == .needsObject(
                    ObjectAccess([
                        .init(owner: nil, states: ["Created", "Confirmed"], rule: 0), .init(owner: bytes("ann"), states: ["Created"], rule: 1),
                    ])))
        #expect(decide([staff, own], .anonymous) == .denied(rule: nil, lacksScope: false))
        let anyState = rule(2) { $0.roles = [bytes("STAFF")] }
        #expect(decide([own, anyState], principal(roles: ["STAFF"])) == .allowed(rule: 2), "what needs no object wins")
    }

    @Test func aRefusalWins() {
        let everybody = rule(0)
        let blocked = rule(1) { $0.subjects = [bytes("ann")] }
        #expect(decide([everybody], denying: [blocked], principal()) == .denied(rule: 1, lacksScope: false))
        #expect(decide([everybody], denying: [blocked], principal(.user, "bob")) == .allowed(rule: 0))
        let byBody = rule(2) {
            $0.roles = [bytes("PARTNER")]
            $0.owner = .field(0)
        }
        #expect(decide([everybody], denying: [byBody], principal(roles: ["PARTNER"])) == .needsBody)
        #expect(decide([everybody], denying: [byBody], principal(roles: ["PARTNER"]), body: "ann") == .denied(rule: 2, lacksScope: false))
        #expect(decide([everybody], denying: [byBody], principal(roles: ["PARTNER"]), body: "bob") == .allowed(rule: 0))
        #expect(decide([everybody], denying: [byBody], principal()) == .allowed(rule: 0))
        #expect(decide([], denying: [byBody], principal(roles: ["PARTNER"])) == .denied(rule: nil, lacksScope: false), "refused either way: unread")
    }

    @Test func whatCannotBeReadIsNobodysAndGetsPastNoRefusal() {
        let owner = rule(1) { $0.owner = .field(0) }
        func decide(_ grants: [AccessRule], _ denials: [AccessRule] = []) -> Authorize.Decision {
            Authorize.decide(AccessPolicy(denials: denials, grants: grants), principal()) { _, _, unclear in unclear }
        }
        #expect(decide([owner]) == .denied(rule: nil, lacksScope: false))
        #expect(decide([rule(0)]) == .allowed(rule: 0))
        #expect(decide([rule(0)], [owner]) == .denied(rule: 1, lacksScope: false))
    }
}

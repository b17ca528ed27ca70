import Exchanges
import Policies
import Testing

@Suite struct SteerTests {
    private func bucket(_ user: String, _ salt: String = "use-event-sourced-cart") -> UInt16 {
        Steer(salt: salt).bucket(of: Array(user.utf8).span)
    }

    private func isOn(_ steer: Steer, _ user: String, _ principal: Principal? = nil, weight: UInt16) -> Bool {
        steer.isOn(for: Array(user.utf8).span, principal, weight: weight)
    }

    /// Fixed by this test: a change would move users from one side to the other.
    @Test func theBucketOfAUserNeverChanges() {
        let known = (bucket("user-1"), bucket("user-2"), bucket(""))
        #expect(known == (Self.pinned.0, Self.pinned.1, Self.pinned.2))
    }

    private static let pinned: (UInt16, UInt16, UInt16) = (2091, 8912, 6622)

    /// 100,000 users, every step of the ladder, three flags: the share within half a point, and who is on stays on.
    @Test(arguments: ["use-event-sourced-cart", "use-event-sourced-checkout", "x"])
    func theShareIsTheWeightAndGrowsOnly(_ salt: String) {
        let steer = Steer(salt: salt)
        let weights: [UInt16] = [1, 50, 100, 1_000, 2_500, 5_000, 7_500, 9_999, 10_000]
        var on = weights.map { _ in 0 }
        for i in 0..<100_000 {
            let user = Array("user-\(i)".utf8)
            var was = false
            for (step, weight) in weights.enumerated() {
                let isOn = steer.isOn(for: user.span, nil, weight: weight)
                #expect(isOn || !was, "user-\(i) at \(weight)")
                was = isOn
                if isOn { on[step] += 1 }
            }
        }
        for (weight, on) in zip(weights, on) { #expect(abs(on - Int(weight) * 10) <= 500, "\(on) at \(weight)") }
    }

    /// Also of ids that differ in one place only, and of long ones.
    @Test func shapesOfIdsDoNotMatter() {
        let steer = Steer(salt: "shape")
        let shapes: [(Int) -> String] = [
            { "\($0)" }, { String(repeating: "x", count: 100) + "\($0)" }, { "\($0)@example.org" }, { "00000000-0000-4000-8000-\($0 + 100_000_000_000)" },
        ]
        for (number, shape) in shapes.enumerated() {
            let on = (0..<100_000).count { steer.isOn(for: Array(shape($0).utf8).span, nil, weight: 2_500) }
            #expect(abs(on - 25_000) <= 500, "\(on) of shape \(number)")
        }
    }

    @Test func allOrNothingAtTheEnds() {
        let steer = Steer(salt: "f")
        for i in 0..<10_000 {
            #expect(bucket("user-\(i)") < Steer.buckets)
            #expect(!isOn(steer, "user-\(i)", weight: 0) && isOn(steer, "user-\(i)", weight: 10_000))
        }
    }

    /// Nobody knows who it is: he is not moved before all are.
    @Test func whoHasNoNameStaysUntilAllAreMoved() {
        let steer = Steer(salt: "f")
        #expect(!isOn(steer, "", weight: 9_999) && isOn(steer, "", weight: 10_000))
    }

    @Test func flagsDealIndependently() {
        let both = (0..<20_000).count { bucket("u\($0)", "a") < 5_000 && bucket("u\($0)", "b") < 5_000 }
        #expect(abs(both - 5_000) < 400, "\(both)")
    }

    // MARK: - Targets

    @Test func theFirstTargetThatFitsComesBeforeTheWeight() {
        var staff = PrincipalPattern()
        staff.roles = [Array("ADMIN".utf8)]
        let steer = Steer(
            salt: "f",
            targets: [
                SteerTarget(.users(UserSet(["alice", "bob"])), isOn: true), SteerTarget(.principals(staff), isOn: false),
                SteerTarget(.users(UserSet(["carol"])), isOn: true),
            ])
        let admin = Principal(kind: .user, subject: Array("carol".utf8), roles: [Array("ADMIN".utf8)])
        #expect(isOn(steer, "alice", weight: 0) && isOn(steer, "bob", admin, weight: 0))
        #expect(isOn(steer, "carol", weight: 0) && !isOn(steer, "carol", admin, weight: 10_000))
        // Anybody else goes by the weight.
        #expect(!isOn(steer, "dave", weight: 0) && isOn(steer, "dave", weight: 10_000))
        #expect(!isOn(steer, "alic", weight: 0) && !isOn(steer, "alice2", weight: 0))
    }

    @Test func everyConditionOfASegmentHolds() {
        func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }
        let acme = (name: Array("tenant".utf8), value: Array("acme".utf8))
        let who = Principal(
            kind: .service, issuer: Array("internal".utf8), subject: [1], roles: bytes(["A", "B"]), scopes: bytes(["read"]), claims: [acme])
        func fits(_ change: (inout PrincipalPattern) -> Void, _ principal: Principal?) -> Bool {
            var pattern = PrincipalPattern()
            change(&pattern)
            return isOn(Steer(salt: "f", targets: [SteerTarget(.principals(pattern), isOn: true)]), "u", principal, weight: 0)
        }
        #expect(fits({ $0.kinds = [.user, .service] }, who) && !fits({ $0.kinds = [.user] }, who))
        #expect(fits({ $0.issuers = bytes(["internal"]) }, who) && !fits({ $0.issuers = bytes(["inter"]) }, who))
        #expect(fits({ $0.roles = bytes(["C", "B"]) }, who) && !fits({ $0.roles = bytes(["C"]) }, who))
        #expect(fits({ $0.scopes = bytes(["read"]) }, who) && !fits({ $0.scopes = bytes(["write"]) }, who))
        #expect(fits({ $0.claims = [(acme.name, bytes(["acme", "other"]))] }, who))
        #expect(!fits({ $0.claims = [(acme.name, bytes(["other"]))] }, who) && !fits({ $0.claims = [(acme.value, [acme.name])] }, who))
        #expect(!fits({ $0.roles = bytes(["A"]); $0.kinds = [.user] }, who))
        // Without a principal there is nobody but an anonymous one.
        #expect(fits({ $0.kinds = [.anonymous] }, nil) && !fits({ $0.roles = bytes(["A"]) }, nil))
    }

    @Test func aSetFindsItsUsersAndNobodyElse() {
        let users = UserSet((0..<5_000).map { "user-\($0)" })
        for i in 0..<10_000 {
            let user = Array("user-\(i)".utf8)
            let isIn = users.contains(user.span)
            #expect(isIn == (i < 5_000), "\(i)")
        }
        let (nobody, one): ([UInt8], [UInt8]) = ([], [1])
        let found = [users.contains(nobody.span), UserSet([]).contains(one.span)]
        #expect(found == [false, false])
    }
}

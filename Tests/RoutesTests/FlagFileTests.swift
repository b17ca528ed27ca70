import Exchanges
import Settings
import Testing

@testable import Routes

/// A route file with one flagged route beside a flag file; `problems` in the words of the command line.
private func compile(flags: String, stages: String = "steer: { by: { header: x-user } }", flag: String = "f") -> (table: RouteTable?, problems: [String]) {
    let diagnostics = Diagnostics()
    var configuration = twoListeners
    configuration.flags = PlacedPath("f.yaml", at: SourcePosition(file: "c.yaml", line: 1, column: 8))
    let routes = """
        routes:
        - name: a
          match: { path: "/a/{id}" }
          target: { cluster: catalogue }
          fallback: { cluster: legacy }
          flag: \(flag)
          stages: { \(stages) }
        """
    let document = Document.parse(routes, file: "r.yaml", diagnostics)
    let table = RouteCompiler.compile(
        document.map { [$0] } ?? [], configuration, vocabulary: vocabulary, flags: Document.parse(flags, file: "f.yaml", diagnostics), diagnostics)
    return (table, diagnostics.sorted.map(\.description))
}

@Suite struct FlagFileTests {
    @Test func allThatCanBeSaid() throws {
        let (table, problems) = compile(
            flags: """
                segments:
                  staff: { kind: [user, service], issuer: internal, roles: [ADMIN, SUPPORT], scopes: read, claim: { region: [eu, us] } }
                flags:
                  - name: f
                    weight: 12.5
                    salt: other
                    targets:
                      - { users: [alice, bob], side: on }
                      - { segment: staff, side: off }
                      - { claim: { tenant: acme }, side: on }
                  - { name: unused, weight: 100 }
                """)
        #expect(problems == [])
        let flags = try #require(table).flags
        #expect(flags.map(\.name) == ["f", "unused"] && flags.map(\.weight) == [1_250, 10_000] && flags.map(\.salt) == ["other", "unused"])
        let staff = SegmentDefinition(
            kinds: ["user", "service"], issuers: ["internal"], roles: ["ADMIN", "SUPPORT"], scopes: ["read"],
            claims: [.init(name: "region", values: ["eu", "us"])])
        #expect(
            flags[0].targets == [
                FlagTarget(whom: .users(["alice", "bob"]), isOn: true), FlagTarget(whom: .segment(staff), isOn: false),
                FlagTarget(whom: .segment(SegmentDefinition(claims: [.init(name: "tenant", values: ["acme"])])), isOn: true),
            ])
        #expect(flags.allSatisfy(\.isOfFile) && "\(flags[0].position)" == "f.yaml:4:5")
        #expect(table?.render().contains("flag       f (on for 12.5 %, by header x-user, as f.yaml:4:5 says)") == true)
    }

    @Test func whatStaysOnItsSide() throws {
        let file = "flags: [{ name: f, weight: 1, affinity: 7d }, { name: g, weight: 0 }, { name: h, weight: 0, affinity: off }]"
        for role in [AffinityRole.start, .follow, .finish] {
            let (table, problems) = compile(flags: file, stages: "steer: { by: { header: u }, affinity: \(role) }")
            let made = try #require(table, "\(problems)")
            #expect(made.rules[0].affinity == role && made.flags.map(\.affinity) == [604_800_000, 2_592_000_000, 0])
        }
        #expect(compile(flags: file).table?.rules[0].affinity == AffinityRole.none)
        #expect(compile(flags: file, stages: "steer: { by: { header: u }, affinity: start }").table?.render().contains("by header u, what it begins stays on its side, as") == true)
    }

    @Test func keysAreTriedInOrder() throws {
        let (table, problems) = compile(
            flags: "flags: [{ name: f, weight: 1 }]",
            stages: "identify: optional, steer: { by: [principal, { field: user_id }, { parameter: id }, { header: X-User }] }")
        #expect(problems == [])
        #expect(table?.steeringKeys == [[.principal, .field("user_id"), .capture("id", 0), .header("x-user")]])
        #expect(table?.rules[0].stages.contains(StageSet(.collect)) == true)
    }

    /// A flag that the file does not have may be weighed where it is asked.
    @Test func aRouteMayWeighAFlagOfItsOwn() {
        let (table, problems) = compile(flags: "flags: [{ name: other, weight: 1 }]", stages: "steer: { weight: 7.25, by: { header: u } }")
        #expect(problems == [])
        #expect(table?.flags.map(\.name) == ["other", "f"] && table?.flags[1].weight == 725 && table?.flags[1].isOfFile == false)
    }

    @Test(arguments: [
        ("flags: {}", "f.yaml:1:8: error: 'flags' must be a list, not a map"),
        ("flags: [{ weight: 1 }]", "f.yaml:1:9: error: a flag needs a name"),
        ("flags: [{ name: F, weight: 1 }]", "f.yaml:1:17: error: the name of a flag must be 1 to 64 of a-z, 0-9 and -, not 'F'"),
        ("flags: [{ name: f }]", "f.yaml:1:9: error: a flag needs a 'weight' in percent; 0 = off"),
        ("flags: [{ name: f, weight: 100.01 }]", "f.yaml:1:28: error: 'weight' must be a percentage from 0 to 100 with at most two decimals, not '100.01'"),
        ("flags: [{ name: f, weight: -1 }]", "f.yaml:1:28: error: 'weight' must be a percentage from 0 to 100 with at most two decimals, not '-1'"),
        ("flags: [{ name: f, weight: 1.234 }]", "f.yaml:1:28: error: 'weight' must be a percentage from 0 to 100 with at most two decimals, not '1.234'"),
        ("flags: [{ name: f, weight: 1 }, { name: f, weight: 2 }]", "f.yaml:1:33: error: the flag 'f' is at f.yaml:1:9 already"),
        ("flags: [{ name: f, weight: 1, salt: '' }]", "f.yaml:1:37: error: 'salt' must have 1 to 256 bytes"),
        ("flags: [{ name: f, weight: 1, wieght: 2 }]", "f.yaml:1:31: error: unknown key 'wieght' in a flag (did you mean 'weight'?)"),
        ("flags: [{ name: f, weight: 1, targets: x }]", "f.yaml:1:40: error: 'targets' must be a list, not 'x'"),
        ("flags: [{ name: f, weight: 1, targets: [{ side: on }] }]", "f.yaml:1:41: error: a target is exactly one of users, segment, claim: whom does it concern?"),
        ("flags: [{ name: f, weight: 1, targets: [{ users: [a] }] }]", "f.yaml:1:41: error: a target needs its 'side': on or off"),
        ("flags: [{ name: f, weight: 1, targets: [{ users: [a], side: left }] }]", "f.yaml:1:61: error: 'side' must be one of on, off, not 'left'"),
        ("flags: [{ name: f, weight: 1, targets: [{ users: [a], claim: { b: c }, side: on }] }]", "f.yaml:1:41: error: a target is exactly one of users, segment, claim: whom does it concern?"),
        ("flags: [{ name: f, weight: 1, targets: [{ users: [], side: on }] }]", "f.yaml:1:43: error: 'users' is empty, so it would never hold"),
        ("flags: [{ name: f, weight: 1, targets: [{ claim: {}, side: on }] }]", "f.yaml:1:50: error: 'claim' needs the name of a claim and its values"),
        ("segments: { staff: { roles: A } }\nflags: [{ name: f, weight: 1, targets: [{ segment: stuff, side: on }] }]", "f.yaml:2:52: error: unknown segment 'stuff' (did you mean 'staff'?)"),
        ("segments: { staff: {} }\nflags: [{ name: f, weight: 1 }]", "f.yaml:1:20: error: a segment needs a condition: kind, issuer, roles, scopes or claim"),
        ("segments: { staff: { kind: robot } }\nflags: [{ name: f, weight: 1 }]", "f.yaml:1:28: error: 'kind' must be one of user, service, session, anonymous, not 'robot'"),
        ("flags: [{ name: f, weight: 1, affinity: 10ms }]", "f.yaml:1:41: error: 'affinity' must be from 1s to 49d, not 10ms"),
        ("flags: [{ name: f, weight: 1, affinity: on }]", "f.yaml:1:41: error: 'affinity' must be a duration such as 250ms, 10s, 5m or 1h, not 'on'"),
        ("segments: { staff: { role: A } }\nflags: [{ name: f, weight: 1 }]", "f.yaml:1:22: error: unknown key 'role' in a segment (did you mean 'roles'?)"),
    ])
    func mistakesOfTheFile(_ flags: String, _ expected: String) {
        #expect(compile(flags: flags).problems.contains(expected), "\(compile(flags: flags).problems)")
    }

    @Test func toMany() {
        let many = "flags:\n" + (0...1_000).map { "- { name: f\($0), weight: 0 }" }.joined(separator: "\n")
        #expect(compile(flags: many).problems.contains("f.yaml:1002:3: error: more than 1000 flags"))
        let targets = (0...100).map { "{ users: u\($0), side: on }" }.joined(separator: ", ")
        #expect(compile(flags: "flags: [{ name: f, weight: 0, targets: [\(targets)] }]").problems.contains { $0.hasSuffix("more than 100 targets of one flag") })
    }

    @Test(arguments: [
        ("f", "steer: { weight: 1, by: { header: u } }", "r.yaml:7:30: error: the weight of 'f' is at f.yaml:1:9: leave it out here"),
        ("f", "steer: {}", "r.yaml:7:20: error: 'steer' needs 'by': whose side is it that 'f' is asked for?"),
        ("f", "collect: true", "r.yaml:6:3: error: nothing asks the flag 'f': the route needs the stage 'steer'"),
        ("g", "steer: { by: { header: u } }", "r.yaml:6:3: error: unknown flag 'g': f.yaml does not have it (did you mean 'f'?)"),
        ("far-off", "collect: true", "r.yaml:6:3: error: unknown flag 'far-off': f.yaml does not have it"),
        ("f", "steer: { by: principal }", "r.yaml:7:26: error: 'by: principal' needs the stage 'identify': who would that be?"),
        ("f", "steer: { by: user }", "r.yaml:7:26: error: 'by' is principal, or exactly one of header, parameter, field, not 'user'"),
        ("f", "steer: { by: [] }", "r.yaml:7:22: error: 'by' is empty: whom would a request be counted for?"),
        ("f", "steer: { by: [{ header: u }, { header: U }] }", "r.yaml:7:22: error: 'by' has header u twice"),
        ("f", "steer: { by: { header: u }, affinity: begin }", "r.yaml:7:51: error: 'affinity' must be one of start, follow, finish, not 'begin'"),
    ])
    func mistakesOfRoutes(_ flag: String, _ stages: String, _ expected: String) {
        let problems = compile(flags: "flags: [{ name: f, weight: 1 }]", stages: stages, flag: flag).problems
        #expect(problems == [expected])
    }
}

@Suite struct PercentageTests {
    @Test func readsAndWrites() {
        let known: [(String, UInt16)] = [("0", 0), ("100", 10_000), ("12.5", 1_250), ("0.01", 1), ("99.99", 9_999), ("7.25", 725), ("3.07", 307)]
        for (text, share) in known { #expect(Percentage.basisPoints(text) == share && Percentage.text(basisPoints: share) == text) }
        #expect(Percentage.basisPoints("50.0") == 5_000 && Percentage.basisPoints("050") == 5_000)
        for text in ["", ".", "1.", ".5", "-1", "+1", "100.01", "101", "1e1", "1.234", "0100", " 1", "1,5", "٣"] {
            #expect(Percentage.basisPoints(text) == nil, "\(text)")
        }
    }
}

import Exchanges
import Pipeline
import Policies
import Routes
import Settings
import Testing

/// The stages of a route, in their order, each once; parked and resumed at the same place.
@Suite struct AdmissionTests {
    private let second: UInt64 = 1_000_000_000
    private let peer: (high: UInt64, low: UInt64) = (0, 0xffff_c000_0201)

    private func table() throws -> RouteTable {
        try compile(
            """
            routes:
              - name: plain
                match: { path: /plain }
                target: { cluster: up }
              - name: shielded
                match: { path: /shielded }
                target: { cluster: up }
                stages: { shield: { requests: 2, per: 10s, burst: 2 } }
              - name: collecting
                match: { path: /collecting }
                target: { cluster: up }
                stages: { collect: true }
                body_limit: 100
              - name: both
                match: { path: /both }
                target: { cluster: up }
                stages: { shield: { requests: 1, per: 1s, burst: 1 }, collect: true }
                body_limit: 100
              - name: steered
                match: { path: /steered }
                target: { cluster: up }
                fallback: { fixed: { status: 204 } }
                flag: new-way
                stages: { steer: { weight: 12.5, by: { header: x-user-id } } }
            """)
    }

    private func exchange(_ route: String, of table: RouteTable, body: BodySize = .none) throws -> Exchange {
        let exchange = Exchange(ticket: Ticket(worker: 0, slot: 0, generation: 0))
        let number = try #require(table.routes.firstIndex { $0.name == route })
        exchange.route = UInt16(number)
        exchange.rule = table.rules[number]
        exchange.requestBody = body
        return exchange
    }

    private func word(_ admitted: Admitted) -> String {
        switch admitted {
        case .dispatch: "dispatch"
        case .parked(let stage): "parked at \(stage)"
        case .refused(let outcome): "refused \(outcome.httpStatus)"
        }
    }

    private func admission() -> Admission { Admission(limits: LimitTable(keys: 64), hash: KeyedHash()) }

    @Test func aRouteWithoutStagesIsDispatchedAtOnce() throws {
        let table = try table()
        let exchange = try exchange("plain", of: table, body: .unknown)
        #expect(word(admission().advance(exchange, table: table, peer: peer, policy: 0, now: second, stages: ScriptedStages())) == "dispatch")
        #expect(exchange.done == [] && Stage.allCases.allSatisfy { exchange.trail[$0] == nil })
    }

    @Test func theBudgetIsChargedOnceAnExchange() throws {
        let table = try table()
        let admission = admission()
        for expected in ["dispatch", "dispatch", "refused 429"] {
            let exchange = try exchange("shielded", of: table)
            #expect(word(admission.advance(exchange, table: table, peer: peer, policy: 7, now: second, stages: ScriptedStages())) == expected)
            let mark = try #require(exchange.trail[.shield])
            #expect(mark.word == (expected == "dispatch" ? .passed : .refused) && mark.rule == exchange.rule.shield)
            #expect(exchange.done.contains(StageSet(.shield)) == (expected == "dispatch"))
        }
        // Another policy number and another peer have their own.
        let other = try exchange("shielded", of: table)
        #expect(word(admission.advance(other, table: table, peer: peer, policy: 8, now: second, stages: ScriptedStages())) == "dispatch")
        let neighbour = try exchange("shielded", of: table)
        #expect(word(admission.advance(neighbour, table: table, peer: (0, 0xffff_c000_0202), policy: 7, now: second, stages: ScriptedStages())) == "dispatch")
    }

    /// The rate of the route file is the rate that is kept: 2 in 10 s, 2 at once.
    @Test func theRouteFilesRateIsKept() throws {
        let table = try table()
        let admission = admission()
        var passed = 0
        for i in 0..<1000 as Range<UInt64> {
            let exchange = try exchange("shielded", of: table)
            let now = second + i * second / 10
            if word(admission.advance(exchange, table: table, peer: peer, policy: 7, now: now, stages: ScriptedStages())) == "dispatch" { passed += 1 }
        }
        #expect(passed == 2 + 19)  // the burst, then one every five seconds of the hundred
    }

    @Test func theFlagIsOnForItsShare() throws {
        let table = try table()
        for (bucket, isOn) in [(0, true), (1_249, true), (1_250, false), (9_999, false)] as [(UInt16, Bool)] {
            let exchange = try exchange("steered", of: table)
            exchange.target = exchange.rule.targetWithFlagsOff
            let admitted = admission().advance(
                exchange, table: table, peer: peer, policy: 0, now: second, stages: ScriptedStages(bucket: bucket, weight: table.flags[0].weight))
            #expect(word(admitted) == "dispatch")
            #expect(exchange.target == (isOn ? exchange.rule.target : exchange.rule.fallback), "bucket \(bucket)")
            #expect(exchange.trail[.steer]?.word == .passed)
        }
    }

    @Test func parkingGoesOnAtTheSamePlace() throws {
        let table = try table()
        let admission = admission()
        let exchange = try exchange("both", of: table, body: .unknown)
        func advance() -> String { word(admission.advance(exchange, table: table, peer: peer, policy: 1, now: second, stages: ScriptedStages())) }
        #expect(advance() == "parked at collect")
        #expect(exchange.trail[.shield]?.word == .passed && exchange.trail[.collect]?.word == .waited)
        #expect(exchange.done == [StageSet(.shield)])
        // Asked again too early: still there, and the shield, with a burst of one, is not charged again.
        for _ in 0..<5 { #expect(advance() == "parked at collect") }
        exchange.bodyComplete = true
        #expect(advance() == "dispatch")
        #expect(exchange.trail[.collect]?.word == .passed && exchange.trail[.collect]?.rule == Rule.none)
        #expect(exchange.done == [StageSet(.shield), StageSet(.collect)])
        #expect(advance() == "dispatch")
    }

    @Test func whoIsRefusedFirstIsNotAskedForHisBody() throws {
        let table = try table()
        let admission = admission()
        for expected in ["parked at collect", "refused 429"] {
            let exchange = try exchange("both", of: table, body: .unknown)
            #expect(word(admission.advance(exchange, table: table, peer: peer, policy: 1, now: second, stages: ScriptedStages())) == expected)
            if expected == "refused 429" { #expect(exchange.trail[.collect] == nil && exchange.done == []) }
        }
    }

    @Test func bodiesAreCollectedWithinTheRoutesLimit() throws {
        let table = try table()
        for (body, expected) in [
            (.none, "dispatch"), (.known(100), "parked at collect"), (.known(101), "refused 413"), (.unknown, "parked at collect"),
        ] as [(BodySize, String)] {
            let exchange = try exchange("collecting", of: table, body: body)
            #expect(word(admission().advance(exchange, table: table, peer: peer, policy: 0, now: second, stages: ScriptedStages())) == expected)
        }
    }

    /// What a stage refuses, none behind it is asked about; one that waits is asked again, and none before it is.
    @Test(arguments: Stage.allCases.filter { ![.shield, .collect].contains($0) })
    func stagesSpeakInTheirOrder(_ stage: Stage) throws {
        let table = try table()
        let exchange = try exchange("collecting", of: table)
        exchange.rule.stages = StageSet(rawValue: 0xfe)
        let stages = ScriptedStages()
        func advance() -> String {
            word(admission().advance(exchange, table: table, peer: peer, policy: 0, now: second, stages: stages))
        }
        stages.verdicts[stage] = .park
        #expect(advance() == "parked at \(stage)")
        #expect(exchange.trail[stage]?.word == .waited)
        stages.verdicts[stage] = .answer(Outcome(.forbidden))
        #expect(advance() == "refused 403")
        #expect(exchange.trail.refusedBy == stage)
        for other in Stage.allCases where other != .shield && other != stage {
            #expect((exchange.trail[other] != nil) == (other.rawValue < stage.rawValue), "\(other)")
        }
        #expect(!exchange.done.contains(StageSet(stage)))
    }

    /// The largest numbers a route file may hold make a very patient limit, not a crash.
    @Test func extremeLimitsDoNotTrap() throws {
        let table = try compile(
            """
            routes:
              - name: patient
                match: { path: /a }
                target: { cluster: up }
                stages: { shield: { requests: 1, per: 24h, burst: 1000000000 } }
              - name: hasty
                match: { path: /b }
                target: { cluster: up }
                stages: { shield: { requests: 1000000, per: 1ms, burst: 1000000000 } }
            """)
        for name in ["patient", "hasty"] {
            let exchange = try exchange(name, of: table)
            #expect(word(admission().advance(exchange, table: table, peer: peer, policy: 0, now: second, stages: ScriptedStages())) == "dispatch")
        }
    }

    /// What was done before is not done again.
    @Test func onlyWhatIsMissingIsRun() throws {
        let table = try table()
        let exchange = try exchange("both", of: table, body: .known(1))
        exchange.done = [StageSet(.shield), StageSet(.collect)]
        #expect(word(admission().advance(exchange, table: table, peer: peer, policy: 0, now: second, stages: ScriptedStages())) == "dispatch")
        #expect(exchange.trail[.shield] == nil && exchange.trail[.collect] == nil)
    }
}

/// Compiles one route file against a configuration with the cluster `up`.
func compile(_ text: String) throws -> RouteTable {
    var configuration = Configuration()
    configuration.clusters = [Cluster(name: "up", endpoints: [.tcp(.name("up"), port: 80)])]
    let diagnostics = Diagnostics()
    let document = try #require(Document.parse(text, file: "r.yaml", diagnostics), "\(diagnostics.sorted)")
    return try #require(
        RouteCompiler.compile([document], configuration, vocabulary: Vocabulary(commands: [], queries: []), diagnostics),
        "\(diagnostics.sorted.map(\.description))")
}

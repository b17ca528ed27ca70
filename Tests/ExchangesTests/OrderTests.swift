import Exchanges
import Testing

/// The order of stages, the trail they leave, and the endings.
@Suite struct OrderTests {
    /// Written out: the order is a promise to whoever reads a route file.
    static let order: [Stage] = [.shield, .identify, .authorize, .quota, .collect, .inspect, .replay, .steer]

    @Test func stagesComeInTheirOrder() {
        #expect(Stage.allCases == Self.order)
        // Every set of stages, walked the way the pipeline does.
        for bits in UInt8.min...UInt8.max {
            let set = StageSet(rawValue: bits)
            var done = StageSet()
            var walked: [Stage] = []
            while let stage = set.first(without: done) {
                walked.append(stage)
                done.insert(StageSet(stage))
            }
            #expect(walked == Self.order.filter { set.contains(StageSet($0)) })
            #expect(done == set)
        }
    }

    @Test func stagesDoneElsewhereDoNotCount() {
        let set: StageSet = [StageSet(.collect), StageSet(.steer)]
        #expect(set.first(without: [StageSet(.shield)]) == .collect)
        #expect(set.first(without: [StageSet(.collect), StageSet(.shield)]) == .steer)
        #expect(set.first(without: set) == nil)
        #expect(StageSet().first(without: []) == nil)
    }

    @Test func aTrailHoldsOneMarkAStage() {
        var trail = Trail()
        for stage in Self.order { #expect(trail[stage] == nil) }
        for (i, stage) in Self.order.enumerated() {
            trail.leave(Mark(stage: stage, word: .passed, rule: UInt16(i)))
            for (k, other) in Self.order.enumerated() {
                #expect(trail[other]?.rule == (k <= i ? UInt16(k) : nil))
                #expect(trail[other]?.stage == (k <= i ? other : nil))
            }
        }
    }

    @Test func waitingIsOverwritten() {
        var trail = Trail()
        trail.leave(Mark(stage: .collect, word: .waited, rule: 1))
        #expect(trail[.collect]?.word == .waited)
        trail.leave(Mark(stage: .collect, word: .refused, rule: 2))
        #expect(trail[.collect]?.word == .refused && trail[.collect]?.rule == 2)
        #expect(trail[.shield] == nil && trail[.steer] == nil)
    }

    /// SPEC 26, the HTTP column.
    @Test func endingsHaveTheirStatus() {
        let table: [(Code, String, UInt16)] = [
            (.ok, "OK", 200), (.accepted, "ACCEPTED", 202), (.validationError, "VALIDATION_ERROR", 400),
            (.idempotencyKeyRequired, "IDEMPOTENCY_KEY_REQUIRED", 400),
            (.idempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED", 422), (.requestInProgress, "REQUEST_IN_PROGRESS", 409),
            (.unauthenticated, "UNAUTHENTICATED", 401), (.forbidden, "FORBIDDEN", 403), (.notFound, "NOT_FOUND", 404),
            (.noRoute, "NO_ROUTE", 404), (.methodNotAllowed, "METHOD_NOT_ALLOWED", 405),
            (.versionConflict, "VERSION_CONFLICT", 409), (.illegalState, "ILLEGAL_STATE", 409),
            (.tooLarge, "TOO_LARGE", 413), (.rateLimited, "RATE_LIMITED", 429),
            (.upstreamUnavailable, "UPSTREAM_UNAVAILABLE", 503), (.badUpstream, "UPSTREAM_UNAVAILABLE", 502),
            (.deadline, "DEADLINE", 504), (.cancelled, "CANCELLED", 499), (.unsupported, "UNSUPPORTED", 501),
            (.internalError, "INTERNAL", 500),
        ]
        #expect(table.map(\.0) == Code.allCases)
        for (code, name, status) in table {
            #expect(code.name.description == name && code.httpStatus == status)
            #expect(Outcome(code).httpStatus == status)
            #expect(Outcome(code, status: 431).httpStatus == 431)
        }
    }
}

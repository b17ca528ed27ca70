import Contracts
@testable import EventCore
import Exchanges
import Foundation
import Seeded
import Testing

/// The saga as an aggregate: what is legal, and that its fold, its events and its snapshots are one.
@Suite struct AggregateTests {
    private static let definition = SagaDefinition(
        name: "d", prefix: "p",
        groups: [
            [StepDefinition(name: "a", operation: "x", compensation: "y", parkMS: 1000)],
            [
                StepDefinition(name: "b", operation: "x", compensation: "y"),
                StepDefinition(name: "c", operation: "x", onFailure: .retryAsync),
            ],
            [StepDefinition(name: "e", operation: "x", onFailure: .task)],
        ], completed: "order.confirm", compensated: "order.fail", stops: "q")

    private func order() throws -> Identifier { try #require(Identifier("o")) }

    /// A saga to which these things have happened.
    private func saga(_ actions: [SagaAction]) throws -> Saga {
        var saga = Saga()
        for action in [.start(Self.definition, order: try order(), after: nil)] + actions {
            let events = try saga.decide(action, at: Timestamp(microseconds: 0))
            for event in events { saga.apply(event, at: Timestamp(microseconds: 0)) }
        }
        return saga
    }

    private func done(_ step: String) -> SagaAction { .complete(step, attempt: 1, late: false, note: nil) }
    private var failure: Failure { Failure(reason: "no") }

    @Test func comesToItsEnd() throws {
        var saga = try saga([done("a"), done("b")])
        #expect(saga.status == .inProgress && saga.due.map(\.name) == ["c"])
        #expect(throws: Refusal.self) { try saga.decide(.end, at: .now()) }
        saga = try self.saga([done("a"), done("b"), .defer("c", attempt: 3, failure), done("e"), .end])
        #expect(saga.status == .completed && saga.isOver)
        #expect(try saga.decide(.end, at: .now()).isEmpty)
    }

    @Test func goesBackInReverseOrderOfWhatWasDone() throws {
        let saga = try saga([done("a"), done("b"), .stop(by: nil, reason: "no")])
        #expect(saga.isGoingBack && saga.nextToUndo?.name == "b")
        let next = try self.saga([done("a"), done("b"), .stop(by: nil, reason: "no"), .compensated("b", attempt: 1)])
        #expect(next.nextToUndo?.name == "a")
        #expect(throws: Refusal.self) { try next.decide(.begin("c", .action), at: .now()) }
        #expect(throws: Refusal.self) { try next.decide(.end, at: .now()) }
    }

    @Test func theSameTwiceCausesNothing() throws {
        let saga = try saga([done("a")])
        #expect(try saga.decide(done("a"), at: .now()).isEmpty)
        #expect(try saga.decide(.start(Self.definition, order: order(), after: nil), at: .now()).isEmpty)
        let raised = try self.saga([.raise("a", .action, text: "?")])
        #expect(try raised.decide(.raise("a", .action, text: "?"), at: .now()).isEmpty)
        let stopped = try self.saga([.stop(by: nil, reason: "no")])
        #expect(try stopped.decide(.stop(by: nil, reason: "again"), at: .now()).isEmpty)
        #expect(try Saga().decide(.stop(by: nil, reason: "there is none"), at: .now()).isEmpty)
    }

    @Test func anotherSagaCannotTakeTheId() throws {
        let saga = try saga([])
        var other = Self.definition
        other.name = "other"
        #expect(throws: Refusal.self) { try saga.decide(.start(other, order: order(), after: nil), at: .now()) }
    }

    @Test func theFirstParkSetsTheDeadline() throws {
        var saga = try saga([])
        for micros in [0, 500_000] as [Int64] {
            let now = Timestamp(microseconds: micros)
            for event in try saga.decide(.park("a", reason: "away", nextTryAt: now), at: now) { saga.apply(event, at: now) }
            #expect(saga.status == .parked && saga.step("a")?.park?.until == Timestamp(microseconds: 1_000_000))
        }
        for event in try saga.decide(.begin("a", .action), at: .now()) { saga.apply(event, at: .now()) }
        #expect(saga.status == .inProgress && saga.step("a")?.attempts == 1)
    }

    @Test func longTextsAreCut() throws {
        let saga = try saga([.raise("a", .action, text: String(repeating: "ä", count: 4000))])
        #expect(saga.tasks[0].text.utf8.count == 1024)
    }

    @Test func resolvedTasksDoNotPileUp() throws {
        var actions: [SagaAction] = []
        for _ in 0..<50 { actions += [.raise("a", .action, text: "?"), .resolve("a", .retry, note: nil)] }
        #expect(try saga(actions).tasks.count == 20)
    }

    /// For random actions: what is legal can be written, read and snapshot, and gives the same state.
    @Test(arguments: 0..<40) func foldEventsAndSnapshotAgree(_ seed: Int) throws {
        var chance = Seeded(state: UInt64(seed))
        var saga = Saga()
        var refolded = Saga()
        let steps = ["a", "b", "c", "e", "nobody"]
        var accepted = 0
        for i in 0..<300 {
            let now = Timestamp(microseconds: Int64(i) * 1_000_000)
            let step = chance.pick(steps)
            let attempt = chance.count(1...5)
            let part = chance.pick(SagaPart.allCases)
            let actions: [SagaAction] = [
                .start(Self.definition, order: try order(), after: Identifier("x")), .begin(step, part),
                .unavailable(step, attempt: attempt, failure), .complete(step, attempt: attempt, late: chance.chance(2), note: chance.chance(2) ? "n" : nil),
                .fail(step, attempt: attempt, Failure(reason: "no", grpcCode: 400), mayHaveRun: chance.chance(2)),
                .defer(step, attempt: attempt, failure), .compensated(step, attempt: attempt),
                .compensationFailed(step, attempt: attempt, failure), .raise(step, part, text: "do it"),
                .resolve(chance.chance(2) ? step : nil, chance.pick(SagaDecision.allCases), note: "note"),
                .park(step, reason: "away", nextTryAt: chance.chance(2) ? now : nil), .handOver, .end,
            ]
            // Seldom, else nothing gets anywhere.
            let action = chance.chance(40) ? SagaAction.stop(by: Identifier("s"), reason: "no") : chance.pick(actions)
            guard let changes = try? saga.decide(action, at: now) else { continue }
            accepted += 1
            for change in changes {
                saga.apply(change, at: now)
                let stored = Event(
                    id: EventId(high: 0, low: 0), type: change.type, timestamp: now, payload: change.payload, metadata: Metadata())
                #expect(SagaEvent(stored) == change)
                let isReadable = refolded.replay(stored)
                #expect(isReadable)
            }
            #expect(refolded == saga)
            if saga.version > 0 {
                let snapshot = try #require(saga.snapshot())
                let restored = Saga(snapshot: snapshot.span, version: saga.version)
                #expect(restored == saga)
                let body = try saga.body(of: order(), at: now)
                #expect(throws: Never.self) { try JSONValue(body.span) }
            }
            // An end is an end, unless something late comes.
            if saga.isOver { #expect(saga.openTasks.isEmpty && saga.unresolved.isEmpty) }
        }
        #expect(accepted > 20)
    }

    @Test func anUnreadableSnapshotIsNone() {
        for text in ["", "[]", "{}", #"{"orderId":"o"}"#] {
            let bytes = Array(text.utf8)
            let saga = Saga(snapshot: bytes.span, version: 1)
            #expect(saga == nil)
        }
    }

    /// Any events in any order give a state.
    @Test func theFoldIsTotal() throws {
        var saga = Saga()
        let events: [SagaEvent] = [
            .stepCompleted("a", attempt: 1, late: false, note: nil), .stepStarted("z", .compensation, attempt: 3), .taskResolved("q", .action, .skip, note: nil),
            .compensated(nil), .parked(step: "a", reason: "r", nextTryAt: nil, until: nil),
            .started(Self.definition, order: try order(), after: nil), .stepCompensated("a", attempt: 1, note: nil), .completed,
        ]
        for event in events + events.reversed() { saga.apply(event, at: .now()) }
        #expect(saga.version == UInt64(2 * events.count))
        _ = try saga.body(of: order(), at: .now())
    }

    // MARK: - Contracts

    private static let types = [
        "SagaStarted", "SagaStepStarted", "SagaStepUnavailable", "SagaStepCompleted", "SagaStepFailed", "SagaStepDeferred",
        "SagaStepCompensated", "SagaCompensationFailed", "SagaTaskRaised", "SagaTaskResolved", "SagaParked", "SagaResumed",
        "SagaStopped", "SagaCompleted", "SagaCompensated",
    ]

    @Test(arguments: types) func readsAndWritesTheExamplesOfItsSchema(_ type: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = [UInt8](try Data(contentsOf: root.appending(path: "contracts/events/\(type).json")))
        let schema = try JSONValue(text.span)
        guard case .array(let examples) = schema["examples"] else {
            Issue.record("\(type) has no examples")
            return
        }
        for example in examples {
            var json = JSONWriter<[UInt8]>([])
            example.write(to: &json)
            let stored = Event(
                id: EventId(high: 0, low: 0), type: type, timestamp: .now(), payload: json.sink, metadata: Metadata())
            let event = try #require(SagaEvent(stored))
            #expect(event.type == type && event.payload == json.sink)
        }
    }
}

import Bus
import EventCore
import Exchanges
import MemoryStores
import Sagas
import Synchronization
import Testing

/// An operation that answers as it is told.
private final class Scripted: StepOperation {
    let name = "email.confirm"
    let isIdempotent: Bool
    private let state: Mutex<(results: [StepResult], contexts: [StepContext])>

    init(_ results: [StepResult], isIdempotent: Bool = false) {
        self.isIdempotent = isIdempotent
        state = Mutex((results, []))
    }

    var contexts: [StepContext] { state.withLock { $0.contexts } }

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        state.withLock { state in
            state.contexts.append(context)
            return state.results.count > 1 ? state.results.removeFirst() : state.results[0]
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct DeferredStepsTests {
    private let events = MemoryEventStore()
    private let store = MemoryConsumerStore()
    private let log: EventLog
    private let away = Failure(reason: "away", grpcCode: 14)

    init() throws { log = try EventLog(store: events) { _, _ in } }

    private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

    private func event(_ version: UInt64 = 1) throws -> StoredEvent {
        let change = SagaEvent.stepDeferred("send-confirmation", operation: "email.confirm", order: try name("o-1"), attempt: 3, away)
        return StoredEvent(
            position: version, aggregate: AggregateKey(type: Saga.type, id: try name("checkout-o-1")), version: version,
            event: Event(
                id: EventId(high: 7, low: version), type: change.type, timestamp: .now(), payload: change.payload,
                metadata: Metadata(correlationId: "c-1", traceparent: "00-aa-bb-01")))
    }

    private func steps(_ operation: Scripted) -> DeferredSteps {
        DeferredSteps(log: log, store: store) { $0 == operation.name ? operation : nil }
    }

    @Test func performsTheStepOnce() async throws {
        let (user, product) = (try name("jane"), try name("p"))
        let operation = Scripted([.done([.cart(user, .add(product: product, quantity: 1))])])
        #expect(await steps(operation).apply(try event()) == .done)
        let context = try #require(operation.contexts.first)
        let cause = "\(try event().event.id)"
        #expect(context.key == "checkout-o-1/send-confirmation" && context.attempt == 4)
        #expect(context.metadata.correlationId == "c-1" && context.metadata.causationId == cause)
        #expect(context.metadata.traceparent == "00-aa-bb-01")
        // What it led to is in the log, with its cause.
        #expect(events.events.map(\.event.type) == ["ItemAdded"])
        #expect(events.events.first?.event.metadata.causationId == cause)
        // Again, by another process.
        #expect(await steps(operation).apply(try event()) == .done)
        #expect(operation.contexts.count == 1)
        #expect(await steps(operation).apply(try event(2)) == .done)
        #expect(operation.contexts.count == 2)
    }

    @Test func tellsWhatMayBeTriedAgain() async throws {
        let failure = away
        func outcome(_ result: StepResult, isIdempotent: Bool = false) async throws -> Applied {
            await steps(Scripted([result], isIdempotent: isIdempotent)).apply(try event())
        }
        #expect(try await outcome(.unavailable(failure)) == .transient(failure))
        #expect(try await outcome(.refused(failure, [])) == .permanent(failure))
        #expect(try await outcome(.unknown(failure)) == .permanent(failure))
        #expect(try await outcome(.unknown(failure), isIdempotent: true) == .transient(failure))
        #expect(try await outcome(.manual("by hand")) == .permanent(Failure(reason: "by hand")))
        #expect(try await outcome(.missing("the card")) == .permanent(Failure(reason: "the card")))
        // A result that the core refuses stays refused.
        let impossible = Command.cart(try name("jane"), .remove(product: try name("p")))
        guard case .permanent = try await outcome(.done([impossible]), isIdempotent: true) else {
            Issue.record("the core cannot change its mind")
            return
        }
        let other = DeferredSteps(log: log, store: store) { _ in nil }
        #expect(await other.apply(try event()) == .permanent(Failure(reason: "there is no operation 'email.confirm'")))
        #expect(other.types == ["SagaStepDeferred"])
    }

    @Test func whatTheCoreCannotNoteNowIsTriedAgainWhereItMayBe() async throws {
        let command = Command.cart(try name("jane"), .add(product: try name("p"), quantity: 1))
        log.close()
        guard case .transient = await steps(Scripted([.done([command])], isIdempotent: true)).apply(try event()) else {
            Issue.record("the log may be back")
            return
        }
    }

    @Test func storesThatAreAwayMayComeBack() async throws {
        store.fail(with: .full)
        let operation = Scripted([.done([])])
        guard case .transient = await steps(operation).apply(try event()) else {
            Issue.record("the store may be back")
            return
        }
        #expect(operation.contexts.isEmpty)
    }
}

import EventCore
import Exchanges
import Testing

/// Conditions on the object, checked where it is held, in the step that decides.
@Suite(.timeLimit(.minutes(10))) struct ObjectAccessTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static let early = ["Created", "PaymentPending"]
    private static let owner = ObjectAccess([.init(owner: bytes("u"), states: early)])
    private static let stranger = ObjectAccess([.init(owner: bytes("v"), states: early)])
    private static let staff = ObjectAccess([.init(owner: nil, states: early + ["PaymentAuthorized", "Confirmed"])])

    private func id(_ text: String) -> Identifier { Identifier(text)! }

    private func said(_ work: () async throws(Refusal) -> Void) async -> String {
        do throws(Refusal) {
            try await work()
            return "ok"
        } catch {
            return "\(error.outcome.code.name)" + (error.isByPolicy ? " by policy" : "") + (error.text.map { ": \($0)" } ?? "")
        }
    }

    /// A log with the order `o` of the user `u`.
    private func withOrder(_ use: (EventLog, MemoryStore) async throws -> Void) async throws {
        let store = MemoryStore()
        let log = try EventLog(store: store) { _, _ in }
        try await log.execute([.order(id("o"), .place(try sunglasses()))])
        try await use(log, store)
        log.close()
    }

    @Test func anOwnerReadsHisOrderAndNobodyElseDoes() async throws {
        try await withOrder { log, _ in
            func read(_ order: String, _ access: ObjectAccess?) async -> String {
                let order = id(order)
                return await said { () throws(Refusal) in _ = try await log.ask(.query(.order(order)), access: access) }
            }
            #expect(await read("o", nil) == "ok")
            #expect(await read("o", ObjectAccess([.init(owner: Self.bytes("u"))])) == "ok")
            #expect(await read("o", ObjectAccess([.init(owner: Self.bytes("v"))])) == "FORBIDDEN by policy")
            #expect(await read("o", ObjectAccess([.init(owner: [])])) == "FORBIDDEN by policy")
            #expect(await read("o", ObjectAccess([])) == "FORBIDDEN by policy")
            #expect(await read("o", ObjectAccess([.init(owner: Self.bytes("v")), .init(owner: nil)])) == "ok")
            // Whether there is such an order is no secret: its id cannot be guessed.
            #expect(await read("x", ObjectAccess([.init(owner: Self.bytes("v"))])) == "NOT_FOUND")
        }
    }

    @Test func aCartIsItsUsersFromTheBeginning() async throws {
        let log = try EventLog(store: MemoryStore()) { _, _ in }
        let (mine, product) = (id("u"), id("p"))
        func add(_ user: String) async -> String {
            await said { () throws(Refusal) in
                _ = try await log.execute(
                    [.cart(mine, .add(product: product, quantity: 1))], access: ObjectAccess([.init(owner: Self.bytes(user))]))
            }
        }
        #expect(await add("v") == "FORBIDDEN by policy")
        #expect(await add("u") == "ok")
        log.close()
    }

    @Test func whatHasNoOwnerIsNobodys() async throws {
        let log = try EventLog(store: MemoryStore()) { _, _ in }
        let sku = id("u")
        for access in [ObjectAccess([.init(owner: Self.bytes("u"))]), ObjectAccess([.init(owner: nil, states: ["Created"])])] {
            let said = await said { () throws(Refusal) in _ = try await log.ask(.query(.inventory(sku)), access: access) }
            #expect(said == "FORBIDDEN by policy")
        }
        log.close()
    }

    @Test func aCustomerCancelsEarlyAndStaffUntilConfirmed() async throws {
        let late = "ILLEGAL_STATE by policy: this is not allowed in the state "
        let table: [(actions: [OrderAction], owner: String, staff: String)] = [
            ([], "ok", "ok"), ([.requestPayment], "ok", "ok"),
            ([.requestPayment, .completePayment(transaction: "t")], late + "PaymentAuthorized, only in Created, PaymentPending", "ok"),
            ([.requestPayment, .completePayment(transaction: "t"), .requestShipment, .scheduleShipment(tracking: "m"), .confirm],
                late + "Confirmed, only in Created, PaymentPending", "ok"),
            (
                [.requestPayment, .completePayment(transaction: "t"), .requestShipment, .scheduleShipment(tracking: "m"), .confirm, .startProcessing],
                late + "Processing, only in Created, PaymentPending",
                late + "Processing, only in Created, PaymentPending, PaymentAuthorized, Confirmed"
            ),
        ]
        for row in table {
            for (access, expected) in [(Self.owner, row.owner), (Self.staff, row.staff), (Self.stranger, "FORBIDDEN by policy")] {
                try await withOrder { log, store in
                    let order = id("o")
                    for action in row.actions { try await log.execute([.order(order, action)]) }
                    let before = store.events.count
                    let said = await said { () throws(Refusal) in
                        _ = try await log.execute([.order(order, .requestCancellation(reason: "no"))], access: access)
                    }
                    #expect(said == expected, "\(row.actions)")
                    #expect(store.events.count - before == (said == "ok" ? 1 : 0))
                }
            }
        }
    }

    /// What came before in the same group counts: nobody gets in between the look and the decision.
    @Test func theStateIsTheOneThatIsDecidedOn() async throws {
        for _ in 0..<20 {
            try await withOrder { log, _ in
                let order = id("o")
                try await log.execute([.order(order, .requestPayment)])
                async let paid = said { () throws(Refusal) in _ = try await log.execute([.order(order, .completePayment(transaction: "t"))]) }
                async let cancelled = said { () throws(Refusal) in
                    _ = try await log.execute([.order(order, .requestCancellation(reason: ""))], access: Self.owner)
                }
                let both = await (paid, cancelled)
                guard case .order(let state) = try await log.state(of: AggregateName(kind: .order, id: order)) else { return }
                // Cancelled first: then the payment is noted on an order that is given up. Paid first: no cancellation.
                let reached = state.timeline.map { "\($0.state.name)" }
                if both.1 == "ok" {
                    #expect(!reached.contains("PaymentAuthorized"), "\(reached) \(both)")
                } else {
                    #expect(reached == ["Created", "PaymentPending", "PaymentAuthorized"], "\(reached) \(both)")
                }
            }
        }
    }

    /// Only the first of several is asked for; when it is refused nothing of the others stays.
    @Test func whatFollowsFromItIsNotAskedFor() async throws {
        try await withOrder { log, store in
            let (order, other, product) = (id("o"), id("w"), id("p"))
            let commands: [Command] = [
                .order(order, .requestCancellation(reason: "")), .cart(other, .add(product: product, quantity: 1)),
            ]
            let refused = await said { () throws(Refusal) in _ = try await log.execute(commands, access: Self.stranger) }
            #expect(refused == "FORBIDDEN by policy" && store.events.count == 1)
            let done = await said { () throws(Refusal) in _ = try await log.execute(commands, access: Self.owner) }
            #expect(done == "ok" && store.events.count == 3)
        }
    }

    @Test func aSagaIsItsOrdersCustomers() async throws {
        try await withOrder { log, _ in
            let (saga, order) = (id("checkout-o"), id("o"))
            let definition = SagaDefinition(name: "checkout", groups: [[StepDefinition(name: "s", operation: "x")]])
            try await log.execute([.saga(saga, .start(definition, order: order, after: nil))])
            func read(_ id: Identifier, _ user: String) async -> String {
                await said { () throws(Refusal) in
                    _ = try await log.ask(.query(.saga(id)), access: ObjectAccess([.init(owner: Self.bytes(user))]))
                }
            }
            #expect(await read(saga, "u") == "ok")
            #expect(await read(saga, "v") == "FORBIDDEN by policy")
            #expect(await read(id("checkout-x"), "u") == "NOT_FOUND")
        }
    }
}

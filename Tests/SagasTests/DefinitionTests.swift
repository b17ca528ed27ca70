import EventCore
import Sagas
import Settings
import Testing

/// Definition files: what they mean, and what is said about mistakes.
@Suite struct DefinitionTests {
    private func read(_ text: String) -> (SagaDefinition?, [String]) {
        let diagnostics = Diagnostics()
        let document = Document.parse(text, file: "s.yaml", diagnostics)
        let definition = document.flatMap { SagaDefinition.read($0, operations: Services.names, diagnostics) }
        return (definition, diagnostics.sorted.map { "\($0)".replacing("s.yaml:", with: "") })
    }

    @Test func theShippedOnesAreAsSpecified() throws {
        let all = try World.shipped()
        let checkout = try #require(all["checkout"])
        #expect(checkout.groups.map { $0.map(\.name) } == [["verify-cart"], ["process-payment"], ["schedule-shipment"], ["send-confirmation"], ["empty-cart"]])
        #expect(checkout.groups.joined().map(\.timeoutMS) == [5000, 30_000, 10_000, 5000, 5000])
        #expect(checkout.groups.joined().map(\.onFailure) == [.compensate, .compensate, .compensate, .retryAsync, .retryAsync])
        #expect(checkout.groups[1][0].compensation == "payment.refund" && checkout.groups[1][0].attempts == 5)
        #expect(checkout.groups[1][0].parkMS == 86_400_000)
        #expect(checkout.completed == "order.confirm" && checkout.compensated == "order.fail" && checkout.stops == nil)
        let inventory = try #require(all["checkout-with-inventory"])
        #expect(inventory.prefix == "checkout" && inventory.groups[1][0].operation == "inventory.reserve")
        #expect(inventory.groups[1][0].compensation == "inventory.release" && inventory.groups[2] == checkout.groups[1])
        let cancel = try #require(all["cancel-order"])
        #expect(cancel.groups.map { $0.map(\.operation) } == [["payment.refund", "inventory.release"]])
        #expect(cancel.completed == "order.cancel" && cancel.stops == "checkout")
        // The default time of a step.
        #expect(cancel.groups[0].map(\.timeoutMS) == [30_000, 30_000])
    }

    @Test(arguments: [
        ("steps: [{ name: a, operation: cart.empty }]", ["1:1: error: a saga needs a name"]),
        ("name: s", ["1:1: error: a saga needs steps"]),
        ("name: S\nsteps: [{ name: a, operation: cart.empty }]", ["1:1: error: 'name' must be 1 to 48 small letters, digits and dashes, not 'S'"]),
        ("name: s\nstep: []\nsteps: [{ name: a, operation: cart.empty }]", ["2:1: error: unknown key 'step' in a saga (did you mean 'steps'?)"]),
        ("name: s\nsteps: [{ name: a, operation: cart.emty }]", ["2:31: error: there is no operation 'cart.emty' (did you mean 'cart.empty'?)"]),
        ("name: s\nsteps: [{ name: a }]", ["2:9: error: a step needs 'operation'"]),
        ("name: s\nsteps: [{ name: a, operation: cart.empty, timeout: 0ms }]", ["2:52: error: 'timeout' must be from 1ms to 10m, not 0ms"]),
        ("name: s\nsteps: [{ name: a, operation: cart.empty, attempts: 21 }]", ["2:53: error: 'attempts' must be from 1 to 20, not 21"]),
        ("name: s\nsteps: [{ name: a, operation: cart.empty, park: 8d }]", ["2:49: error: 'park' must be from 0 to 7d, not 8d"]),
        ("name: s\nsteps: [{ name: end, operation: cart.empty }]", ["2:11: error: 'end' is what something else is called"]),
        ("name: s\nsteps: [{ name: a, operation: cart.empty }, { name: a, operation: cart.empty }]", ["2:1: error: two steps are called 'a'"]),
    ])
    func mistakesAreShownWhereTheyAre(_ text: String, _ problems: [String]) {
        let (definition, found) = read(text)
        #expect(definition == nil && found == problems)
    }

    @Test func wordsOutsideTheListAreRefused() {
        for line in ["on_failure: ignore", "completed: order.ship"] {
            let isStep = line.hasPrefix("on")
            let (definition, problems) = read(
                "name: s\n\(isStep ? "" : line + "\n")steps: [{ name: a, operation: cart.empty\(isStep ? ", " + line : "") }]")
            #expect(definition == nil && problems.count == 1, "\(problems)")
        }
    }

    @Test func thereAreNotManySteps() {
        let steps = (0..<33).map { "{ name: s\($0), operation: cart.empty }" }.joined(separator: ", ")
        let (definition, problems) = read("name: s\nsteps: [\(steps)]")
        #expect(definition == nil && problems == ["2:1: error: a saga has 32 steps at most, not 33"])
    }
}

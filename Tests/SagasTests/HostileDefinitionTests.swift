import EventCore
import Sagas
import Seeded
import Settings
import Testing

/// Definition files with mistakes nobody thought of: read within their bounds, or refused with words.
@Suite struct HostileDefinitionTests {
    private let lines = [
        "name: s", "prefix: p", "timeout: 0s", "timeout: 999999999h", "steps:", "steps: []", "  - { name: a, operation: cart.empty }",
        "  - { name: b, operation: payment.charge, compensation: payment.refund, attempts: 21 }", "  - name: c", "    operation: email.confirm",
        "    park: -1s", "    on_failure: retry-async", "    on_failure: [x]", "  - parallel:", "      - { name: d, operation: cart.empty }",
        "  - parallel: {}", "completed: order.confirm", "compensated: order.fail", "compensated: ~", "stops: p", "stops: nobody", "a: &a [*a]",
        "  - [[[[[[[[[[[[[[[[[[[[", "? {", "\t- x", "name: \"\\u0000\"", "steps: !!binary x", "  - name: é",
    ]

    @Test func drawnLinesAreReadOrRefused() {
        var seeded = Seeded(state: 4)
        var read = 0
        for round in 0..<4000 {
            var text = round % 2 == 0 ? "name: s\nprefix: p\ncompleted: order.confirm\ncompensated: order.fail\nsteps:\n" : ""
            for _ in 0..<seeded.count(1...8) { text += seeded.pick(lines) + (seeded.chance(20) ? "" : "\n") }
            let diagnostics = Diagnostics()
            let document = Document.parse(text, file: "s.yaml", diagnostics)
            guard let document, let definition = SagaDefinition.read(document, operations: Services.names, diagnostics) else {
                #expect(diagnostics.errors > 0)
                continue
            }
            read += 1
            let steps = definition.groups.flatMap { $0 }
            #expect(!steps.isEmpty && steps.count <= SagaDefinition.mostSteps && Set(steps.map(\.name)).count == steps.count)
            #expect(steps.allSatisfy { (1...20).contains($0.attempts) && (1...600_000).contains($0.timeoutMS) })
        }
        #expect(read > 10)
    }

    @Test func hugeFilesAreRefused() {
        for text in [
            "steps:\n" + String(repeating: "  - { name: a, operation: cart.empty }\n", count: 20_000),
            "name: " + String(repeating: "x", count: 900_000), String(repeating: "[", count: 500_000), String(repeating: "a: {", count: 100_000),
            String(repeating: "- ", count: 300_000), String(repeating: "k: v\n", count: 200_000),
        ] {
            let diagnostics = Diagnostics()
            let document = Document.parse(text, file: "s.yaml", diagnostics)
            #expect(document.flatMap { SagaDefinition.read($0, operations: Services.names, diagnostics) } == nil)
            #expect(diagnostics.errors > 0)
        }
    }
}

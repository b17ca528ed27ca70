import EventCore
import Settings

private let operations = ["order.verify-cart", "inventory.reserve", "inventory.release", "payment.charge", "payment.refund"]

/// Definition files: every text is a definition within its bounds, or says what is wrong with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let text = String(validating: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) else { return 0 }
    let diagnostics = Diagnostics()
    guard let document = Document.parse(text, file: "saga.yaml", diagnostics) else {
        precondition(diagnostics.errors > 0, "refused without a word")
        return 0
    }
    guard let definition = SagaDefinition.read(document, operations: operations, diagnostics) else {
        precondition(diagnostics.errors > 0, "refused without a word")
        return 0
    }
    precondition(diagnostics.errors == 0)
    let steps = definition.groups.flatMap { $0 }
    precondition(!steps.isEmpty && steps.count <= SagaDefinition.mostSteps && Set(steps.map(\.name)).count == steps.count)
    for step in steps { precondition(operations.contains(step.operation) && (1...20).contains(step.attempts)) }
    return 0
}

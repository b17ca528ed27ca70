import Contracts
import Exchanges

/// Schema and text, both of somebody hostile: the input up to the first zero byte, and behind it. Compiling and
/// checking end, and both ways of checking agree.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    var end = 0
    while end < count, input[end] != 0 { end += 1 }
    guard let schema = try? JSONSchema(input.extracting(..<end)) else { return 0 }
    let text = input.extracting(min(end + 1, count)...)
    guard let tape = try? JSONTape(text) else { return 0 }
    let violations = schema.violations(tape, text)
    precondition(violations.count <= 16)
    precondition(schema.accepts(tape, text) == violations.isEmpty, "what fits has violations, or what does not has none")
    for violation in violations { precondition(violation.pointer.utf8.count <= 1024 && !violation.error.isEmpty) }
    return 0
}

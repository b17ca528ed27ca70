import EventCore
import Exchanges

/// Any body for any command: decoded or refused, with few and short words, and what was decoded decodes the same
/// again. The first byte chooses the command; with 128 in it the rest is the path's first member instead.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = UnsafeBufferPointer(start: start, count: count).span
    let rest = input.extracting(1...)
    let command = Int(input[0] & 127) % Registry.commands.count
    let places = Registry.parameters(ofCommand: command)
    var parameters = [[UInt8]?](repeating: nil, count: places.count)
    if input[0] >= 128, !places.isEmpty {
        parameters[0] = rest.bytes
        check(command, [UInt8]().span, parameters)
    } else {
        check(command, rest, parameters)
    }
    for query in Registry.queries.indices {
        if case .failure(let invalid) = Registry.decode(query: query, parameters: [rest.bytes]) {
            precondition(!invalid.fields.isEmpty && Identifier(rest.bytes) == nil)
        }
    }
    return 0
}

private func check(_ command: Int, _ body: Span<UInt8>, _ parameters: [[UInt8]?]) {
    switch Registry.decode(command: command, body: body, parameters: parameters) {
    case .success(let request):
        guard case .success(let again) = Registry.decode(command: command, body: body, parameters: parameters) else {
            fatalError("decoded once, refused then")
        }
        if case .command(let first) = request, case .command(let second) = again { precondition(first == second) }
    case .failure(let invalid):
        precondition(!invalid.fields.isEmpty && invalid.fields.count <= 64)
        for field in invalid.fields {
            precondition(field.pointer.utf8.count <= 1024 && field.error.utf8.count <= 256)
            // A body with a card in it: nothing of it comes back, so neither do twelve digits.
            guard ["order.place", "order.pay"].contains(Registry.commands[command]) else { continue }
            var digits = 0
            for byte in field.pointer.utf8 {
                digits = (48...57).contains(byte) ? digits + 1 : 0
                precondition(digits < 12, "a number of the body is in the refusal")
            }
        }
    }
}

import Exchanges
import Telemetry

/// What is accepted can be written and read again; nothing traps.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    if let context = TraceContext.parse(input) {
        let out = Buffer(capacity: 64)
        context.append(to: out)
        precondition(out.count == 55)
        let again = out.withReadable { TraceContext.parse($0) }
        precondition(again == context)
    }
    if let members = TraceState.members(input) { precondition(members <= TraceState.maximum) }
    _ = Exposition.choose(accept: input)
    return 0
}

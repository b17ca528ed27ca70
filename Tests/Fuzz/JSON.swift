import Contracts
import Exchanges

/// What is accepted is written and read again as the same value.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    guard let value = try? JSONValue(input) else { return 0 }
    var writer = JSONWriter<[UInt8]>([])
    value.write(to: &writer)
    let again = try? JSONValue(writer.sink.span)
    precondition(again == value, "a written value reads differently")
    return 0
}

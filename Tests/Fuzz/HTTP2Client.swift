import HTTP2Scripts
import WireHTTP

/// Whatever a server sends, a client's session keeps its bounds and ends each stream once.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let wrong = ScriptedSession.run(.client, Array(UnsafeBufferPointer(start: start, count: count)))
    if let wrong { fatalError(wrong) }
    return 0
}

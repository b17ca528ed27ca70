import HTTP2Scripts

/// A request that came by HTTP/2 is the same request when it is read as HTTP/1.1.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let wrong = Conversion.run(Choices(Array(UnsafeBufferPointer(start: start, count: count))))
    if let wrong { fatalError(wrong) }
    return 0
}

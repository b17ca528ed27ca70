import HTTP2Scripts

/// Two sessions carry bodies to each other unchanged, however they are cut, held up and reset.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let wrong = TwoSides.run(Choices(Array(UnsafeBufferPointer(start: start, count: count))))
    if let wrong { fatalError(wrong) }
    return 0
}

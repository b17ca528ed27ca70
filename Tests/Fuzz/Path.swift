import Exchanges
import WireHTTP

/// The normal form of a path is its own normal form, begins with a slash, and holds no dot segment.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let once = normal([UInt8](UnsafeBufferPointer(start: start, count: count)))
    if let once {
        let twice = normal(once)
        precondition(twice == once, "the normal form has another normal form")
        if once.first == UInt8(ascii: "/") {
            let segments = once.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            precondition(!segments.contains { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) })
        }
    }
    return 0
}

private func normal(_ bytes: [UInt8]) -> [UInt8]? {
    var text = bytes
    var span = text.mutableSpan
    guard let slice = PathNormalForm.normalise(Slice(0, bytes.count), in: &span) else { return nil }
    return Array(text[slice.range])
}

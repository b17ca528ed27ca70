import Exchanges
import WireHTTP

/// A chunked body decodes to the same bytes however it is cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    let whole = decode(input, step: max(count, 1))
    let pieces = decode(input, step: 1)
    precondition(whole == pieces, "one piece and many pieces disagree")
    return 0
}

private struct Decoded: Equatable {
    var body: [UInt8] = []
    var trailers = 0
    var end = ""
}

private func decode(_ text: borrowing Span<UInt8>, step: Int) -> Decoded {
    var decoder = ChunkedDecoder()
    var out = Decoded()
    var position = 0
    var known = 0
    while true {
        known = min(text.count, known + step)
        events: while true {
            let seen = text.extracting(0..<known)
            switch decoder.next(seen, at: &position, limits: HTTP1Limits()) {
            case .needMore: break events
            case .data(let slice): out.body += seen.extracting(slice.range).bytes
            case .trailer: out.trailers += 1
            case .end:
                out.end = "end \(position)"
                return out
            case .failed:
                // How much body came before the fault depends on the cut; that there was one does not.
                return Decoded(end: "refused")
            }
            precondition(position <= known)
        }
        if known == text.count {
            out.end = "incomplete"
            return out
        }
    }
}

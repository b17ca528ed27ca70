import Exchanges
import WireHTTP

/// An upstream's head is read alike in one piece and byte by byte, and every slice lies inside the text.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    for verb in [Verb.get, .head, .connect] {
        let whole = read(input, verb, step: max(count, 1))
        let pieces = read(input, verb, step: 1)
        precondition(whole == pieces, "one piece and many pieces disagree")
    }
    return 0
}

private func read(_ text: borrowing Span<UInt8>, _ verb: Verb, step: Int) -> String {
    var parser = HTTP1ResponseParser()
    var head = ReplyHead()
    var framing = HTTP1Framing()
    var body = BodyFraming.none
    var known = 0
    while true {
        known = min(text.count, known + step)
        let progress = parser.parse(
            text.extracting(0..<known), to: verb, into: &head, framing: &framing, body: &body, limits: HTTP1Limits())
        switch progress {
        case .failed: return "refused"
        case .complete(let end):
            precondition(end <= known)
            for field in head.fields {
                precondition(field.nameText.end <= end && field.value.end <= end && !field.nameText.isEmpty)
            }
            return "\(end) \(head.status) \(head.fields.count) \(body)"
        case .needMore:
            if known == text.count { return "incomplete" }
        }
    }
}

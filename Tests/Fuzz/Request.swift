import Exchanges
import WireHTTP

/// A request head is read alike in one piece and byte by byte, and every slice lies inside the text.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count).span
    let whole = read(input, step: max(count, 1))
    let pieces = read(input, step: 1)
    precondition(whole == pieces, "one piece and many pieces disagree")
    return 0
}

private func read(_ text: borrowing Span<UInt8>, step: Int) -> String {
    var parser = HTTP1RequestParser()
    var head = Head()
    var framing = HTTP1Framing()
    var body = BodyFraming.none
    var known = 0
    while true {
        known = min(text.count, known + step)
        switch parser.parse(text.extracting(0..<known), into: &head, framing: &framing, body: &body, limits: HTTP1Limits()) {
        case .failed: return "refused"
        case .complete(let end):
            precondition(end <= known)
            for field in head.fields {
                precondition(field.nameText.end <= end && field.value.end <= end && !field.nameText.isEmpty)
            }
            precondition(head.method.end <= end && head.target.end <= end && head.authority.end <= end)
            return "\(end) \(head.fields.count) \(head.verb) \(body) \(head.path) \(head.query)"
        case .needMore:
            if known == text.count { return "incomplete" }
        }
    }
}

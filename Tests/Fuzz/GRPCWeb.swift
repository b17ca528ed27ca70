import Exchanges
import WireGRPC

/// Whatever the bytes: text is decoded the same way however it is cut, what was decoded and is encoded again is
/// decoded to the same, and a trailer frame has the length it says. The first byte says where to cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let text = Array(input[1...])
    let whole = decoded([text])
    let step = Int(input[0] % 7) + 1
    var pieces: [[UInt8]] = []
    for at in stride(from: 0, to: text.count, by: step) { pieces.append(Array(text[at..<min(at + step, text.count)])) }
    precondition(decoded(pieces) == whole, "the same however it is cut")
    if let whole {
        let again = Buffer(capacity: 16)
        GRPCWebText.encode(whole.span, into: again)
        precondition(decoded([again.copyReadable()]) == whole)
        precondition(whole.count <= (text.count + 3) / 4 * 3)
    }

    let frame = Buffer(capacity: 16)
    GRPCWebTrailers.append(text.span, into: frame)
    let bytes = frame.copyReadable()
    precondition(bytes.count == text.count + 5 && bytes[0] == GRPCWebTrailers.flag)
    precondition(bytes[1...4].reduce(0) { $0 << 8 | Int($1) } == text.count)
    let format = GRPCWebType.format(of: text.span)
    precondition(format.end <= text.count)
    _ = GRPCWebType.answersText(accept: text.span, whenAsked: false)

    var one = GRPCWebBoundary()
    var other = GRPCWebBoundary()
    let isSound = one.pass(text.span)
    var allSound = true
    for piece in pieces { allSound = other.pass(piece.span) && allSound }
    precondition(isSound == allSound && one.isBetweenMessages == other.isBetweenMessages)
    return 0
}

/// Nil = refused, or cut short.
private func decoded(_ pieces: [[UInt8]]) -> [UInt8]? {
    var decoder = GRPCWebTextDecoder()
    let out = Buffer(capacity: 16)
    for piece in pieces where !decoder.decode(piece.span, into: out) { return nil }
    return decoder.isWhole ? out.copyReadable() : nil
}

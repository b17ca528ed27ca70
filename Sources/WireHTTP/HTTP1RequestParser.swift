public import Exchanges

/// The incremental parser of request heads (RFC 9112). Bytes in, one head out; no I/O, no clock.
///
/// Call `parse` with all bytes received so far, from the head's first byte; it remembers which lines
/// it has read and goes on there. Slices in the head are offsets from that first byte.
public struct HTTP1RequestParser: Sendable {
    private var section: HTTP1FieldSection?

    public init() {}

    /// - Parameters:
    ///   - head: filled line by line; cleared by the caller before the first call.
    ///   - framing: likewise.
    ///   - body: valid when the result is `.complete`.
    public mutating func parse(
        _ text: borrowing Span<UInt8>, into head: inout Head, framing: inout HTTP1Framing, body: inout BodyFraming,
        limits: HTTP1Limits
    ) -> HTTP1Progress {
        var fields: HTTP1FieldSection
        if let section {
            fields = section
        } else {
            switch Self.requestLine(text, into: &head, framing: &framing, limits: limits) {
            case .complete(let next): fields = HTTP1FieldSection(at: next)
            case .needMore: return .needMore
            case .failed(let fault): return .failed(fault)
            }
        }
        let progress = fields.parse(text, into: &head.fields, framing: &framing, limits: limits)
        section = fields
        guard case .complete = progress else { return progress }
        if let fault = RequestTarget.resolve(&head, framing: framing, in: text) { return .failed(fault) }
        switch framing.requestBody() {
        case .success(let found): body = found
        case .failure(let fault): return .failed(fault)
        }
        return progress
    }

    /// `method SP request-target SP HTTP-version CRLF`; `.complete` carries the next line's start.
    private static func requestLine(
        _ text: borrowing Span<UInt8>, into head: inout Head, framing: inout HTTP1Framing, limits: HTTP1Limits
    ) -> HTTP1Progress {
        let end = text.count
        var at = 0
        // One empty line before a request is ignored (RFC 9112 section 2.2).
        if end >= 1 && text[0] == 0x0d {
            guard end >= 2 else { return .needMore }
            guard text[1] == 0x0a else { return .failed(.badRequestLine) }
            at = 2
        }
        let start = at
        while at < end && ByteClass.isToken(text[at]) && at &- start <= 32 { at &+= 1 }
        if at == end { return .needMore }
        guard text[at] == 0x20, at > start, at &- start <= 32 else { return .failed(.badMethod) }
        head.method = Slice(start, at)
        at &+= 1
        let targetStart = at
        at = text.firstControl(from: at, below: 0x21)
        guard at < end else { return at &- start > limits.line ? .failed(.lineTooLong) : .needMore }
        guard at &- start <= limits.line else { return .failed(.lineTooLong) }
        guard text[at] == 0x20, at > targetStart else { return .failed(.badRequestLine) }
        head.target = Slice(targetStart, at)
        at &+= 1
        // "HTTP/1.x" CR LF, exactly.
        guard end &- at >= 10 else {
            return text.firstIndex(of: 0x0a, from: at) < end ? .failed(.badRequestLine) : .needMore
        }
        guard text.extracting(at..<(at &+ 5)).equals("HTTP/"), ByteClass.isDigit(text[at &+ 5]), text[at &+ 6] == 0x2e,
            ByteClass.isDigit(text[at &+ 7])
        else { return .failed(.badRequestLine) }
        guard text[at &+ 8] == 0x0d, text[at &+ 9] == 0x0a else {
            return .failed(text[at &+ 8] == 0x0a ? .bareLineFeed : .badRequestLine)
        }
        guard text[at &+ 5] == 0x31 else { return .failed(.badVersion) }
        framing.minor = text[at &+ 7] == 0x30 ? 0 : 1
        head.version = framing.minor == 0 ? .http10 : .http11
        head.verb = Verb(method: text.extracting(head.method.range))
        return .complete(at &+ 10)
    }
}

extension Verb {
    /// Method tokens are case-sensitive (RFC 9110 section 9.1).
    init(method token: borrowing Span<UInt8>) {
        self =
            switch token.count {
            case 3: token.equals("GET") ? .get : token.equals("PUT") ? .put : .other
            case 4: token.equals("POST") ? .post : token.equals("HEAD") ? .head : .other
            case 5: token.equals("PATCH") ? .patch : token.equals("TRACE") ? .trace : .other
            case 6: token.equals("DELETE") ? .delete : .other
            case 7: token.equals("OPTIONS") ? .options : token.equals("CONNECT") ? .connect : .other
            default: .other
            }
    }
}

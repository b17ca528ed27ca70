public import Exchanges

/// The incremental parser of answer heads (RFC 9112 section 4), as strict as the request side:
/// whatever could be read in two ways is refused.
public struct HTTP1ResponseParser: Sendable {
    private var section: HTTP1FieldSection?

    public init() {}

    /// - Parameter verb: of the request this answers; HEAD answers have no body.
    public mutating func parse(
        _ text: borrowing Span<UInt8>, to verb: Verb, into head: inout ReplyHead, framing: inout HTTP1Framing,
        body: inout BodyFraming, limits: HTTP1Limits
    ) -> HTTP1Progress {
        var fields: HTTP1FieldSection
        if let section {
            fields = section
        } else {
            switch Self.statusLine(text, into: &head, framing: &framing, limits: limits) {
            case .complete(let next): fields = HTTP1FieldSection(at: next)
            case .needMore: return .needMore
            case .failed(let fault): return .failed(fault)
            }
        }
        let progress = fields.parse(text, into: &head.fields, framing: &framing, limits: limits)
        section = fields
        guard case .complete = progress else { return progress }
        switch framing.responseBody(status: head.status, to: verb) {
        case .success(let found): body = found
        case .failure(let fault): return .failed(fault)
        }
        return progress
    }

    /// `HTTP/1.x SP 3DIGIT [SP reason] CRLF`; the space before an empty reason may be missing.
    private static func statusLine(
        _ text: borrowing Span<UInt8>, into head: inout ReplyHead, framing: inout HTTP1Framing, limits: HTTP1Limits
    ) -> HTTP1Progress {
        let end = text.count
        // Garbage is known by its first bytes; do not wait for more of it.
        guard text.extracting(0..<min(end, 5)).isPrefix(of: "HTTP/") else { return .failed(.badStatusLine) }
        guard end >= 14 else {
            return text.firstIndex(of: 0x0a, from: 0) < end ? .failed(.badStatusLine) : .needMore
        }
        guard text[5] == 0x31, text[6] == 0x2e, ByteClass.isDigit(text[7]), text[8] == 0x20 else {
            return .failed(.badStatusLine)
        }
        framing.minor = text[7] == 0x30 ? 0 : 1
        guard let status = text.extracting(9..<12).decimal, status >= 100, status < 600 else {
            return .failed(.badStatusLine)
        }
        var at = 12
        if text[at] == 0x20 {
            at = 13
            let reasonStart = at
            while true {
                at = text.firstControl(from: at, below: 0x20)
                guard at < end else { return at > limits.line ? .failed(.badStatusLine) : .needMore }
                if text[at] != 0x09 { break }
                at &+= 1
            }
            head.reason = Slice(reasonStart, at)
        }
        guard at <= limits.line, text[at] == 0x0d else { return .failed(.badStatusLine) }
        guard at &+ 1 < end else { return .needMore }
        guard text[at &+ 1] == 0x0a else { return .failed(.badStatusLine) }
        head.status = UInt16(status)
        return .complete(at &+ 2)
    }
}

extension Span where Element == UInt8 {
    fileprivate func isPrefix(of text: StaticString) -> Bool {
        let p = text.utf8Start
        for i in 0..<count where self[i] != p[i] { return false }
        return true
    }
}

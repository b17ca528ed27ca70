public import Exchanges

/// From a field section to the neutral head of a request: the same target and authority rules as for
/// HTTP/1.1, so that converting one to the other can add nothing (RFC 9113 section 8.3.1).
extension HTTP2Block {
    /// Moves method, target and fields into `head`, whose text is then this block's `text`.
    /// - Returns: why the request is malformed, or nil.
    public func resolve(into head: inout Head) -> HTTP1Fault? {
        text.withReadable { text in
            swap(&head.fields, &fields)
            head.version = .http2
            head.method = method
            head.target = path
            guard isMethod(text), head.method.count <= 32 else { return .badMethod }
            head.verb = Verb(method: text.extracting(method.range))
            guard head.verb != .connect else { return .connectUnsupported }
            let scheme = text.extracting(scheme.range)
            guard scheme.equalsIgnoringCase("http") || scheme.equalsIgnoringCase("https") else { return .badTarget }
            if let fault = host(&head, text) { return fault }
            // Of the path alone: behind it there may be no such byte for the whole of a large head.
            let spelled = text.extracting(path.range)
            guard !path.isEmpty, spelled.firstControl(from: 0, below: 0x21) == spelled.count, !spelled.hasHighByte(in: 0..<spelled.count)
            else { return .badTarget }
            if text[Int(path.start)] == 0x2a {
                guard path.count == 1, head.verb == .options else { return .badTarget }
                head.path = path
                return nil
            }
            guard text[Int(path.start)] == 0x2f else { return .badTarget }
            return RequestTarget.split(path.range, into: &head, text)
        }
    }

    private func isMethod(_ text: borrowing Span<UInt8>) -> Bool {
        for i in method.range where !ByteClass.isToken(text[i]) { return false }
        return !method.isEmpty
    }

    /// `:authority` and Host, where both are given, say the same.
    private func host(_ head: inout Head, _ text: borrowing Span<UInt8>) -> HTTP1Fault? {
        head.authority = authority
        var seen = false
        for field in head.fields where field.name == .host {
            if seen { return .duplicateHost }
            seen = true
            if authority.isEmpty {
                head.authority = field.value
            } else if !text.extracting(field.value.range).equalsIgnoringCase(text.extracting(authority.range)) {
                return .badHost
            }
        }
        guard !head.authority.isEmpty else { return .missingHost }
        return Authority.isValid(text.extracting(head.authority.range)) ? nil : .badHost
    }
}

extension Span where Element == UInt8 {
    /// Equal but for ASCII case.
    func equalsIgnoringCase(_ other: borrowing Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for i in 0..<count where self[i].asciiLowercased != other[i].asciiLowercased { return false }
        return true
    }
}

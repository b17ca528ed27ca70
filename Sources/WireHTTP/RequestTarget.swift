import Exchanges

/// Request targets and Host (RFC 9112 section 3.2, RFC 9110 section 7.2): splits the target into
/// authority, path and query, and checks that there is exactly one, well-formed host.
enum RequestTarget {
    static func resolve(_ head: inout Head, framing: HTTP1Framing, in text: borrowing Span<UInt8>) -> HTTP1Fault? {
        if let host = head.first(.host) {
            guard Authority.isValid(text.extracting(host.value.range)) else { return .badHost }
            head.authority = host.value
        } else if framing.minor >= 1 {
            return .missingHost
        }
        let target = head.target.range
        if text.hasHighByte(in: target) { return .badTarget }
        if head.verb == .connect { return .connectUnsupported }
        switch text[target.lowerBound] {
        case 0x2f: return split(target, into: &head, text)
        case 0x2a:  // asterisk-form: OPTIONS only
            guard target.count == 1, head.verb == .options else { return .badTarget }
            head.path = Slice(target.lowerBound, target.upperBound)
            return nil
        default: return absolute(target, into: &head, text)
        }
    }

    /// `http://host/path?query`: its authority replaces the Host field's.
    private static func absolute(_ target: Range<Int>, into head: inout Head, _ text: borrowing Span<UInt8>)
        -> HTTP1Fault?
    {
        let schemeEnd = text.firstIndex(of: 0x3a, from: target.lowerBound)
        guard schemeEnd < target.upperBound else { return .badTarget }
        let scheme = text.extracting(target.lowerBound..<schemeEnd)
        guard scheme.equalsIgnoringCase("http") || scheme.equalsIgnoringCase("https"),
            schemeEnd &+ 2 < target.upperBound, text[schemeEnd &+ 1] == 0x2f, text[schemeEnd &+ 2] == 0x2f
        else { return .badTarget }
        let authorityStart = schemeEnd &+ 3
        var at = authorityStart
        while at < target.upperBound && text[at] != 0x2f && text[at] != 0x3f && text[at] != 0x23 { at &+= 1 }
        guard Authority.isValid(text.extracting(authorityStart..<at)) else { return .badHost }
        head.authority = Slice(authorityStart, at)
        // An empty path stands for "/": there is no byte to point at, so the colon's neighbour lends one.
        if at == target.upperBound || text[at] == 0x3f {
            head.path = Slice(schemeEnd &+ 1, schemeEnd &+ 2)
            head.hasQuery = at < target.upperBound
            head.query = head.hasQuery ? Slice(at &+ 1, target.upperBound) : .none
            return head.hasQuery ? checkQuery(head.query.range, text) : nil
        }
        return split(at..<target.upperBound, into: &head, text)
    }

    static func split(_ range: Range<Int>, into head: inout Head, _ text: borrowing Span<UInt8>)
        -> HTTP1Fault?
    {
        let at = text.firstPathDelimiter(in: range)
        guard at == range.upperBound || text[at] == 0x3f else { return .badTarget }
        head.path = Slice(range.lowerBound, at)
        head.hasQuery = at < range.upperBound
        guard head.hasQuery else { return nil }
        head.query = Slice(at &+ 1, range.upperBound)
        return checkQuery(head.query.range, text)
    }

    private static func checkQuery(_ range: Range<Int>, _ text: borrowing Span<UInt8>) -> HTTP1Fault? {
        text.firstIndex(of: 0x23, from: range.lowerBound) < range.upperBound ? .badTarget : nil
    }
}

/// `uri-host [ ":" port ]` (RFC 3986 section 3.2), without userinfo and not empty.
public enum Authority {
    public static func isValid(_ text: borrowing Span<UInt8>) -> Bool {
        guard text.count > 0, text.count <= 255 + 6 else { return false }
        var at = 0
        if text[0] == 0x5b {  // [IPv6]
            while at < text.count && text[at] != 0x5d {
                guard at == 0 || isIPLiteral(text[at]) else { return false }
                at &+= 1
            }
            guard at < text.count, at > 2 else { return false }
            at &+= 1
        } else {
            while at < text.count && text[at] != 0x3a {
                guard isHost(text[at]) else { return false }
                at &+= 1
            }
            guard at > 0 else { return false }
        }
        guard at < text.count else { return true }
        guard text[at] == 0x3a, text.count &- at <= 6, text.count &- at >= 2 else { return false }
        var port = 0
        for i in (at &+ 1)..<text.count {
            guard ByteClass.isDigit(text[i]) else { return false }
            port = port * 10 + Int(text[i] &- 48)
        }
        return port <= 65535
    }

    /// reg-name without percent-encoding and without sub-delims: what DNS names and IPv4 use.
    @inline(__always) private static func isHost(_ byte: UInt8) -> Bool { ByteClass.isUnreserved(byte) }

    @inline(__always) private static func isIPLiteral(_ byte: UInt8) -> Bool {
        byte.hexValue != nil || byte == 0x3a || byte == 0x2e
    }
}

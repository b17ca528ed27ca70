import Exchanges

/// URIs (RFC 3986): whether a text is one, and what a reference to one leads to.
enum URIText {
    /// Is the text a reference; with `needsScheme`, one that needs no base?
    static func isReference(_ text: Span<UInt8>, needsScheme: Bool) -> Bool {
        var at = 0
        // A scheme ends with the first colon, if nothing else comes before.
        var scheme: Int?
        if text.count > 0, text[0].isLetter {
            while at < text.count, text[at].isLetter || text[at].isDigit || "+-.".utf8.contains(text[at]) { at += 1 }
            if at < text.count, text[at] == UInt8(ascii: ":") { scheme = at }
        }
        guard scheme != nil || !needsScheme else { return false }
        at = scheme.map { $0 + 1 } ?? 0
        let begin = at
        if at + 1 < text.count, text[at] == UInt8(ascii: "/"), text[at + 1] == UInt8(ascii: "/") {
            var end = at + 2
            while end < text.count, !"/?#".utf8.contains(text[end]) { end += 1 }
            guard isAuthority(text.extracting(at + 2..<end)) else { return false }
            at = end
        } else if scheme == nil {
            // The first segment of a relative path has no colon: it would be a scheme.
            var end = at
            while end < text.count, !"/?#".utf8.contains(text[end]) {
                if text[end] == UInt8(ascii: ":") { return false }
                end += 1
            }
        }
        var hasFragment = false
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: "#") {
                guard !hasFragment else { return false }
                hasFragment = true
            } else if byte == UInt8(ascii: "%") {
                guard at + 2 < text.count, text[at + 1].hexValue != nil, text[at + 2].hexValue != nil else { return false }
            } else {
                guard isPathByte(byte) else { return false }
            }
            at += 1
        }
        return begin <= text.count
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        byte.isLetter || byte.isDigit || "-._~!$&'()*+,;=:@/?".utf8.contains(byte)
    }

    private static func isAuthority(_ text: Span<UInt8>) -> Bool {
        var host = 0
        for i in text.indices where text[i] == UInt8(ascii: "@") { host = i + 1 }
        for i in 0..<max(0, host - 1) where !isPathByte(text[i]) && text[i] != UInt8(ascii: "%") || "@/?".utf8.contains(text[i]) { return false }
        var end = host
        if host < text.count, text[host] == UInt8(ascii: "[") {
            while end < text.count, text[end] != UInt8(ascii: "]") { end += 1 }
            guard end < text.count, JSONSchemaFormat.isIPv6(text.extracting(host + 1..<end)) else { return false }
            end += 1
        } else {
            while end < text.count, text[end] != UInt8(ascii: ":") {
                guard isPathByte(text[end]) || text[end] == UInt8(ascii: "%"), text[end] != UInt8(ascii: "@") else { return false }
                end += 1
            }
        }
        guard end < text.count else { return true }
        guard text[end] == UInt8(ascii: ":") else { return false }
        for i in end + 1..<text.count where !text[i].isDigit { return false }
        return true
    }

    // MARK: - Resolution (section 5.2)

    /// The parts of a reference, without the fragment.
    private struct Parts {
        var scheme: Substring?
        var authority: Substring?
        var path: Substring
        var query: Substring?

        init(_ text: Substring) {
            var rest = text
            if let colon = rest.firstIndex(of: ":"), rest[..<colon].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }),
                rest.first?.isLetter == true
            {
                scheme = rest[..<colon]
                rest = rest[rest.index(after: colon)...]
            }
            if let mark = rest.firstIndex(of: "?") {
                query = rest[rest.index(after: mark)...]
                rest = rest[..<mark]
            }
            if rest.hasPrefix("//") {
                rest = rest.dropFirst(2)
                authority = rest.prefix { $0 != "/" }
                rest = rest[(authority ?? "").endIndex...]
            }
            path = rest
        }

        var text: String {
            (scheme.map { $0 + ":" } ?? "") + (authority.map { "//" + $0 } ?? "") + path + (query.map { "?" + $0 } ?? "")
        }
    }

    /// What is before the `#`, and what behind it; nil without one.
    static func split(_ reference: String) -> (uri: Substring, fragment: Substring?) {
        guard let mark = reference.firstIndex(of: "#") else { return (reference[...], nil) }
        return (reference[..<mark], reference[reference.index(after: mark)...])
    }

    /// What a reference without a fragment leads to from a base.
    static func resolved(_ reference: Substring, from base: String) -> String {
        if reference.isEmpty { return base }
        var target = Parts(reference)
        if target.scheme != nil { return normalized(target) }
        let base = Parts(base[...])
        target.scheme = base.scheme
        if target.authority != nil { return normalized(target) }
        target.authority = base.authority
        if target.path.isEmpty {
            target.path = base.path
            target.query = target.query ?? base.query
        } else if !target.path.hasPrefix("/") {
            let folder = base.path.lastIndex(of: "/").map { base.path[...$0] } ?? (base.authority == nil ? "" : "/")
            target.path = Substring(String(folder) + target.path)
        }
        return normalized(target)
    }

    /// Without `.` and `..` (5.2.4).
    private static func normalized(_ parts: Parts) -> String {
        guard parts.path.contains(".") , parts.path.hasPrefix("/") else { return parts.text }
        var kept: [Substring] = []
        let segments = parts.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (i, segment) in segments.enumerated() {
            let isLast = i == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                if !kept.isEmpty { kept.removeLast() }
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        var whole = parts
        whole.path = Substring("/" + kept.joined(separator: "/"))
        return whole.text
    }

    /// With `%41` as what it stands for; nil when it is no UTF-8 then.
    static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst()?.hexValue, let low = rest.popFirst()?.hexValue else { return nil }
                bytes.append(UInt8(high) << 4 | UInt8(low))
            } else {
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

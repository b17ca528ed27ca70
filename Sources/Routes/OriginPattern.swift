import Exchanges

/// An origin that a route allows, as its file names it: one origin, all subdomains of a host, every origin, or
/// the `null` of sandboxed documents and local files (Fetch standard, "CORS protocol").
public struct OriginPattern: Sendable, Hashable, CustomStringConvertible {
    enum Kind: Sendable, Hashable {
        case any
        /// Byte for byte: browsers send the one form an origin has.
        case exact([UInt8])
        /// `https://` and `.shop.example:8443`, with at least one label between them.
        case subdomains(before: [UInt8], after: [UInt8])
    }

    let kind: Kind
    public let description: String

    var isAny: Bool { kind == .any }

    /// Takes `*`, `null`, `scheme://host`, `scheme://host:port`, and `*.` before the host.
    /// - Throws: what is wrong, for people.
    init(_ text: String) throws(Mistake) {
        description = text
        if text == "*" {
            kind = .any
            return
        }
        if text == "null" {
            kind = .exact(Array(text.utf8))
            return
        }
        guard text.utf8.count <= 512, let slashes = text.firstRange(of: "://") else {
            throw Mistake("'\(text)' is not an origin: write https://shop.example")
        }
        let scheme = text[..<slashes.lowerBound]
        let rest = text[slashes.upperBound...]
        guard let first = scheme.utf8.first, first.isLetterOrDigit, !first.isDigit, scheme.utf8.allSatisfy(\.isSchemeCharacter)
        else { throw Mistake("'\(text)' is not an origin: write https://shop.example") }
        guard !rest.contains("/") else { throw Mistake("an origin ends with its host or port: '\(text)' has a path") }
        guard text == text.lowercased() else { throw Mistake("origins have lower case: '\(text.lowercased())'") }
        let (host, port) = try Self.split(rest, of: text)
        if let port {
            guard let number = UInt16(port), number > 0, String(number) == port else {
                throw Mistake("'\(port)' in '\(text)' is not a port")
            }
            if (scheme == "https" && number == 443) || (scheme == "http" && number == 80) {
                throw Mistake("browsers leave the port \(number) out of '\(text)'")
            }
        }
        let name = host.hasPrefix("*.") ? host.dropFirst(2) : host
        guard Self.isHost(String(name), isWildcard: host.hasPrefix("*.")) else {
            throw Mistake("'\(host)' in '\(text)' is not a host: write https://shop.example or \"https://*.shop.example\"")
        }
        if host.hasPrefix("*.") {
            kind = .subdomains(
                before: Array("\(scheme)://".utf8), after: Array(("." + name + (port.map { ":" + $0 } ?? "")).utf8))
        } else {
            kind = .exact(Array(text.utf8))
        }
    }

    struct Mistake: Error {
        let message: String
        init(_ message: String) { self.message = message }
    }

    private static func split(_ rest: Substring, of text: String) throws(Mistake) -> (Substring, Substring?) {
        // An IPv6 address has colons of its own, inside brackets.
        let from = rest.hasPrefix("[") ? rest.firstIndex(of: "]") ?? rest.endIndex : rest.startIndex
        guard let colon = rest[from...].firstIndex(of: ":") else { return (rest, nil) }
        return (rest[..<colon], rest[rest.index(after: colon)...])
    }

    private static func isHost(_ name: String, isWildcard: Bool) -> Bool {
        if name.hasPrefix("[") { return !isWildcard && name.hasSuffix("]") && HostPattern(name) != nil }
        guard let pattern = HostPattern(isWildcard ? "*." + name : name) else { return false }
        return pattern.isWildcard == isWildcard
    }

    /// Does it cover the origin that a browser sent?
    func matches(_ origin: borrowing Span<UInt8>) -> Bool {
        switch kind {
        case .any: return true
        case .exact(let text): return origin.equals(text)
        case .subdomains(let before, let after):
            let middle = before.count..<max(before.count, origin.count - after.count)
            guard !middle.isEmpty, middle.upperBound + after.count == origin.count else { return false }
            guard origin.extracting(0..<before.count).equals(before),
                origin.extracting(middle.upperBound..<origin.count).equals(after)
            else { return false }
            for i in middle where !origin[i].isHostCharacter { return false }
            return true
        }
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { self >= 48 && self <= 57 }
    fileprivate var isSchemeCharacter: Bool { isLetterOrDigit || self == 0x2b || self == 0x2d || self == 0x2e }
    fileprivate var isHostCharacter: Bool { isLetterOrDigit || self == 0x2d || self == 0x2e || self == 0x5f }
}

import Settings

/// A host a route answers for: `shop.example`, or `*.example.com` for every name below it (at any
/// depth, not `example.com` itself). Compared without port, case and trailing dot.
public struct HostPattern: Sendable, Hashable, CustomStringConvertible {
    /// Lower case; for a wildcard the part behind the star, with its dot: `.example.com`.
    public let text: String
    public let isWildcard: Bool

    /// Nil when `pattern` is no host, or has a port.
    public init?(_ pattern: String) {
        let wildcard = pattern.hasPrefix("*.")
        let host = wildcard ? String(pattern.dropFirst(2)) : pattern
        // The grammar of addresses is the grammar of hosts; any port will do to ask it.
        guard let address = try? Address("\(host):1"), case .tcp(let parsed, port: 1) = address else { return nil }
        switch parsed {
        case .literal(let literal):
            // Written as clients send it: dotted, or RFC 5952 in brackets.
            guard !wildcard, "\(parsed)" == host.lowercased(), literal.isV4 || host.hasPrefix("[") else { return nil }
            text = "\(parsed)"
        case .name(let name):
            text = wildcard ? ".\(name)" : name
        }
        isWildcard = wildcard
    }

    /// The wildcard for every name that ends with `suffix`, which begins with its dot.
    init(suffix: String) {
        text = suffix
        isWildcard = true
    }

    /// Is `host` (lower case, no port) one of this pattern's?
    func matches(_ host: String) -> Bool {
        isWildcard ? host.hasSuffix(text) && host.utf8.count > text.utf8.count : host == text
    }

    public var description: String { isWildcard ? "*\(text)" : text }
}

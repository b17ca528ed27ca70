/// Where to listen or to connect to.
public enum Address: Sendable, Hashable, CustomStringConvertible {
    case tcp(Host, port: UInt16)
    /// A Unix socket; at most 107 bytes, what `sockaddr_un` holds.
    case unix(path: String)

    public enum Host: Sendable, Hashable, CustomStringConvertible {
        case literal(IPAddress)
        /// A DNS name, lower case, without a trailing dot.
        case name(String)

        public var description: String {
            switch self {
            case .literal(let address): address.isV4 ? "\(address)" : "[\(address)]"
            case .name(let name): name
            }
        }
    }

    /// Why a text is no address; the message completes "is not an address: …".
    public struct Problem: Error, Sendable { public let message: String }

    /// `host:port`, `[v6]:port` or `unix:/path`. Port 0 is read; who forbids it checks it.
    public init(_ text: String) throws(Problem) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/") else { throw Problem(message: "a Unix socket needs an absolute path") }
            guard path.utf8.count <= 107 else { throw Problem(message: "a Unix socket's path has at most 107 bytes") }
            guard !path.utf8.contains(0) else { throw Problem(message: "a path cannot contain NUL") }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { throw Problem(message: "the port is missing") }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...].utf8
        guard digits.count >= 1, digits.count <= 5, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }),
            let port = UInt16(String(text[text.index(after: colon)...]))
        else { throw Problem(message: "the port must be a number from 0 to 65535") }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), let address = IPAddress(String(host.dropFirst().dropLast())), host.contains(":")
            else { throw Problem(message: "\(host) is not an IPv6 literal") }
            self = .tcp(.literal(address), port: port)
            return
        }
        guard !host.contains(":") else { throw Problem(message: "an IPv6 address needs brackets: [::1]:8080") }
        if let address = IPAddress(String(host)) {
            self = .tcp(.literal(address), port: port)
            return
        }
        guard let name = Address.name(host) else { throw Problem(message: "'\(host)' is not a host name") }
        self = .tcp(.name(name), port: port)
    }

    /// RFC 1123 labels, plus `_` which service names use. A last label of digits only is refused: it
    /// would be one of the loose IPv4 spellings (`127.1`) that resolvers read in different ways.
    static func name(_ text: Substring) -> String? {
        var name = text.utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }
        if name.last == 0x2e { name.removeLast() }
        guard name.count >= 1, name.count <= 253 else { return nil }
        let labels = name.split(separator: 0x2e, omittingEmptySubsequences: false)
        for label in labels {
            guard label.count >= 1, label.count <= 63, label.first != 0x2d, label.last != 0x2d,
                label.allSatisfy({
                    ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 0x2d || $0 == 0x5f
                })
            else { return nil }
        }
        guard let last = labels.last, !last.allSatisfy({ $0 >= 48 && $0 <= 57 }), !last.starts(with: [0x30, 0x78])
        else { return nil }
        return String(decoding: name, as: UTF8.self)
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

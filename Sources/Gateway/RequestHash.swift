import Exchanges
import Pipeline
import Settings

/// What of a request a consistent hash goes by, as a number.
struct RequestHash {
    private enum Kind {
        case header([UInt8])
        case cookie([UInt8])
        case source
        case path
    }
    private let kind: Kind

    init?(_ key: Settings.Cluster.HashKey?) {
        switch key {
        case .header(let name): kind = .header(Array(name.utf8))
        case .cookie(let name): kind = .cookie(Array(name.utf8))
        case .source: kind = .source
        case .path: kind = .path
        case nil: return nil
        }
    }

    /// Is the client's address asked for? Finding it may mean reading what proxies say.
    var usesClient: Bool {
        if case .source = kind { return true }
        return false
    }

    /// Nil when the request does not say it: such a request goes to any endpoint.
    /// - Parameter client: the client's address.
    func of(_ head: borrowing Head, in text: borrowing Span<UInt8>, client: (high: UInt64, low: UInt64)) -> UInt64? {
        switch kind {
        case .header(let name):
            guard let field = head.first(named: name, in: text), !field.value.isEmpty else { return nil }
            return HashPlaces.hash(text.extracting(field.value.range))
        case .cookie(let name):
            for field in head.fields where field.name == .cookie {
                if let hash = Self.cookie(name, in: text.extracting(field.value.range)) { return hash }
            }
            return nil
        case .source: return HashPlaces.hash(client.high, client.low)
        case .path: return HashPlaces.hash(text.extracting(head.path.range))
        }
    }

    /// `a=1; name=value; b=2` (RFC 6265 section 4.2): the hash of the value.
    private static func cookie(_ name: [UInt8], in value: borrowing Span<UInt8>) -> UInt64? {
        var start = 0
        while start < value.count {
            var end = start
            while end < value.count && value[end] != 0x3b { end += 1 }
            while start < end && value[start] == 0x20 { start += 1 }
            let mark = start + name.count
            if mark < end, value[mark] == 0x3d, value.extracting(start..<mark).equals(name) {
                return mark + 1 < end ? HashPlaces.hash(value.extracting((mark + 1)..<end)) : nil
            }
            start = end + 1
        }
        return nil
    }
}

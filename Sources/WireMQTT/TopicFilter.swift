import Exchanges

/// Topic names (MQTT 5.0 section 4.7), as UTF-8 that has been checked.
public enum TopicName {
    /// Bytes of a name or filter, at most (section 4.7.3).
    public static let longest = 65_535

    /// Has at least one character and no wildcard, and no more levels than `most`.
    public static func isValid(_ name: borrowing Span<UInt8>, mostLevels: Int) -> Bool {
        guard name.count > 0, name.count <= longest else { return false }
        var levels = 1
        for i in 0..<name.count {
            switch name[i] {
            case .plus, .hash: return false
            case .slash: levels &+= 1
            default: break
            }
        }
        return levels <= mostLevels
    }

    static func hasWildcard(_ name: borrowing Span<UInt8>) -> Bool {
        for i in 0..<name.count where name[i] == .plus || name[i] == .hash { return true }
        return false
    }
}

/// A topic filter (section 4.7), taken apart.
public struct TopicFilter: Sendable, Hashable {
    /// Of a shared subscription (section 4.8.2); nil = it is none.
    public let share: [UInt8]?
    /// Without `$share/{ShareName}/`.
    public let text: [UInt8]
    /// Its levels; `+` and `#` stand for themselves.
    public var levels: [ArraySlice<UInt8>] { text.split(separator: .slash, omittingEmptySubsequences: false) }

    /// As the client wrote it.
    public var whole: [UInt8] { share.map { Array("\(Self.sharePrefix)".utf8) + $0 + [.slash] + text } ?? text }

    private static let sharePrefix: StaticString = "$share/"

    static func isShared(_ bytes: borrowing Span<UInt8>) -> Bool { bytes.count >= sharePrefix.utf8CodeUnitCount && bytes.extracting(first: sharePrefix.utf8CodeUnitCount).equals(sharePrefix) }

    /// Nil when it is no topic filter.
    public init?(_ bytes: borrowing Span<UInt8>, mostLevels: Int) {
        guard bytes.count <= TopicName.longest else { return nil }
        var start = 0
        if Self.isShared(bytes) {
            // A name without wildcards, and a filter behind it (MQTT-4.8.2-1, MQTT-4.8.2-2).
            let prefix = Self.sharePrefix.utf8CodeUnitCount
            var end = prefix
            while end < bytes.count, bytes[end] != .slash {
                guard bytes[end] != .plus, bytes[end] != .hash else { return nil }
                end &+= 1
            }
            guard end > prefix, end < bytes.count else { return nil }
            share = bytes.extracting(prefix..<end).bytes
            start = end &+ 1
        } else {
            share = nil
        }
        guard Self.isFilter(bytes.extracting(start...), mostLevels: mostLevels) else { return nil }
        text = bytes.extracting(start...).bytes
    }

    /// At least one character (MQTT-4.7.3-1); `#` and `+` fill a level (MQTT-4.7.1-1, MQTT-4.7.1-2), `#` the last one.
    private static func isFilter(_ text: borrowing Span<UInt8>, mostLevels: Int) -> Bool {
        guard text.count > 0 else { return false }
        var levels = 1
        for i in 0..<text.count {
            switch text[i] {
            case .slash: levels &+= 1
            case .hash:
                guard i == 0 || text[i &- 1] == .slash, i &+ 1 == text.count else { return false }
            case .plus:
                guard i == 0 || text[i &- 1] == .slash, i &+ 1 == text.count || text[i &+ 1] == .slash else { return false }
            default: break
            }
        }
        return levels <= mostLevels
    }

    /// Does it take this topic (section 4.7.2: what begins with `$` is not taken by a wildcard at the first level)?
    public func matches(_ topic: borrowing Span<UInt8>) -> Bool {
        let filter = text.span
        guard topic.count > 0 else { return false }
        if topic[0] == .dollar, filter[0] == .plus || filter[0] == .hash { return false }
        var f = 0
        var t = 0
        while f < filter.count {
            switch filter[f] {
            case .hash: return true
            case .plus:
                while t < topic.count, topic[t] != .slash { t &+= 1 }
                f &+= 1
            case let byte where t < topic.count && byte == topic[t]:
                f &+= 1
                t &+= 1
            default:
                // `a/#` takes `a` as well.
                return t == topic.count && filter[f] == .slash && f &+ 2 == filter.count && filter[f &+ 1] == .hash
            }
        }
        return t == topic.count
    }
}

extension UInt8 {
    fileprivate static let slash = UInt8(ascii: "/")
    fileprivate static let plus = UInt8(ascii: "+")
    fileprivate static let hash = UInt8(ascii: "#")
    fileprivate static let dollar = UInt8(ascii: "$")
}

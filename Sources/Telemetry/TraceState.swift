import Exchanges

/// The vendors' list that travels beside a traceparent (W3C Trace Context, section 3.3).
public enum TraceState {
    /// Counts the members of one `tracestate` field value, checking each.
    ///
    /// Several fields count together: the caller adds up and drops the lot above `maximum`.
    /// - Returns: nil when the value is malformed; then it must not be passed on.
    public static func members(_ value: borrowing Span<UInt8>) -> Int? {
        guard value.count <= 4096 else { return nil }
        var members = 0
        var start = 0
        while start <= value.count {
            var end = start
            while end < value.count && value[end] != UInt8(ascii: ",") { end += 1 }
            var first = start
            var last = end
            while first < last && isBlank(value[first]) { first += 1 }
            while last > first && isBlank(value[last - 1]) { last -= 1 }
            if first < last {
                guard isMember(value.extracting(first..<last)) else { return nil }
                members += 1
                guard members <= maximum else { return nil }
            }
            start = end + 1
        }
        return members
    }

    /// The most members a list may have.
    public static let maximum = 32

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isMember(_ member: borrowing Span<UInt8>) -> Bool {
        var equals = 0
        while equals < member.count && member[equals] != UInt8(ascii: "=") { equals += 1 }
        guard equals < member.count, isKey(member.extracting(0..<equals)) else { return false }
        let value = member.count - equals - 1
        guard value >= 1 && value <= 256 else { return false }
        for i in (equals + 1)..<member.count {
            let byte = member[i]
            guard byte >= 0x20 && byte <= 0x7e && byte != UInt8(ascii: "=") else { return false }
        }
        return true
    }

    /// `simple-key`, or `tenant@system`.
    private static func isKey(_ key: borrowing Span<UInt8>) -> Bool {
        guard key.count >= 1 && key.count <= 256 else { return false }
        var at = -1
        for i in 0..<key.count {
            let byte = key[i]
            if byte == UInt8(ascii: "@") {
                guard at < 0 else { return false }
                at = i
                continue
            }
            let isLetter = byte >= 97 && byte <= 122
            let isDigit = byte >= 48 && byte <= 57
            let isMark =
                byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "*")
                || byte == UInt8(ascii: "/")
            // A tenant may begin with a digit, a system or a simple key may not.
            let begins = i == 0 || i == at + 1
            guard isLetter || (isDigit && (!begins || i == 0)) || (isMark && !begins) else { return false }
        }
        let startsWithDigit = key[0] >= 48 && key[0] <= 57
        if at < 0 { return !startsWithDigit }
        return at >= 1 && at <= 241 && key.count - at - 1 >= 1 && key.count - at - 1 <= 14
    }
}

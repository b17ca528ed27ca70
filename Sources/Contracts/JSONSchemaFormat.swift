import Exchanges

/// What `format` asserts of texts. Others than these are refused when a schema is compiled: the international ones would
/// need tables, `regex` the compiling of what a client sends.
enum JSONSchemaFormat: String, CaseIterable, Sendable {
    case dateTime = "date-time", date, time, duration, email, hostname, ipv4, ipv6, uri
    case uriReference = "uri-reference", uuid
    case jsonPointer = "json-pointer", relativeJSONPointer = "relative-json-pointer"

    /// What is wrong with a text that is none.
    var demand: StaticString {
        switch self {
        case .dateTime: "must be a time as RFC 3339 writes it"
        case .date: "must be a date as RFC 3339 writes it"
        case .time: "must be a time of day as RFC 3339 writes it"
        case .duration: "must be a duration as ISO 8601 writes it"
        case .email: "must be an e-mail address"
        case .hostname: "must be a host name"
        case .ipv4: "must be an IPv4 address"
        case .ipv6: "must be an IPv6 address"
        case .uri: "must be a URI"
        case .uriReference: "must be a URI or a reference relative to one"
        case .uuid: "must be a UUID"
        case .jsonPointer: "must be a JSON Pointer"
        case .relativeJSONPointer: "must be a relative JSON Pointer"
        }
    }

    /// In one pass over the text.
    func accepts(_ text: Span<UInt8>) -> Bool {
        switch self {
        case .dateTime:
            guard text.count > 11, text[10] | 0x20 == UInt8(ascii: "t") else { return false }
            return Self.isDate(text.extracting(0..<10)) && Self.isTime(text.extracting(11...))
        case .date: return Self.isDate(text)
        case .time: return Self.isTime(text)
        case .duration: return Self.isDuration(text)
        case .email: return Self.isEmail(text)
        case .hostname: return Self.isHostname(text)
        case .ipv4: return Self.isIPv4(text)
        case .ipv6: return Self.isIPv6(text)
        case .uri: return URIText.isReference(text, needsScheme: true)
        case .uriReference: return URIText.isReference(text, needsScheme: false)
        case .uuid:
            guard text.count == 36 else { return false }
            for i in text.indices where [8, 13, 18, 23].contains(i) ? text[i] != UInt8(ascii: "-") : text[i].hexValue == nil { return false }
            return true
        case .jsonPointer: return Self.isPointer(text, from: 0)
        case .relativeJSONPointer:
            var at = 0
            while at < text.count, text[at].isDigit { at += 1 }
            guard at > 0, at == 1 || text[0] != 48 else { return false }
            return (at + 1 == text.count && text[at] == UInt8(ascii: "#")) || Self.isPointer(text, from: at)
        }
    }

    // MARK: - Times (RFC 3339)

    private static func number(_ text: Span<UInt8>, _ from: Int, _ digits: Int) -> Int? {
        guard from + digits <= text.count else { return nil }
        var value = 0
        for i in from..<from + digits {
            guard text[i].isDigit else { return nil }
            value = value * 10 + Int(text[i] - 48)
        }
        return value
    }

    private static func isDate(_ text: Span<UInt8>) -> Bool {
        guard text.count == 10, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
            let year = number(text, 0, 4), let month = number(text, 5, 2), let day = number(text, 8, 2), (1...12).contains(month)
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return day >= 1 && day <= days[month - 1]
    }

    /// `09:45:00.25+01:00`; a leap second only where one may be: at the end of a day of UTC.
    private static func isTime(_ text: Span<UInt8>) -> Bool {
        guard text.count >= 9, text[2] == UInt8(ascii: ":"), text[5] == UInt8(ascii: ":"),
            let hour = number(text, 0, 2), let minute = number(text, 3, 2), let second = number(text, 6, 2),
            hour < 24, minute < 60, second <= 60
        else { return false }
        var at = 8
        if text[at] == UInt8(ascii: ".") {
            at += 1
            let first = at
            while at < text.count, text[at].isDigit { at += 1 }
            guard at > first else { return false }
        }
        guard at < text.count else { return false }
        var offset = 0
        if text[at] | 0x20 == UInt8(ascii: "z") {
            guard at + 1 == text.count else { return false }
        } else {
            guard text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-"), at + 6 == text.count, text[at + 3] == UInt8(ascii: ":"),
                let hours = number(text, at + 1, 2), let minutes = number(text, at + 4, 2), hours < 24, minutes < 60
            else { return false }
            offset = (text[at] == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
        }
        let minuteOfUTC = (hour * 60 + minute - offset + 2 * 1440) % 1440
        return second < 60 || minuteOfUTC == 1439
    }

    /// `P1Y2M3DT4H5M6S` or `P2W` (RFC 3339, appendix A): units in their order, none left out between two.
    private static func isDuration(_ text: Span<UInt8>) -> Bool {
        guard text.count > 2, text[0] == UInt8(ascii: "P") else { return false }
        let dates = Array("YMD".utf8)
        let times = Array("HMS".utf8)
        var at = 1
        var isTime = false
        var last = -1
        var parts = 0
        while at < text.count {
            if text[at] == UInt8(ascii: "T"), !isTime {
                (isTime, last) = (true, -1)
                at += 1
                guard at < text.count else { return false }
                continue
            }
            let first = at
            while at < text.count, text[at].isDigit { at += 1 }
            guard at > first, at < text.count else { return false }
            if text[at] == UInt8(ascii: "W"), !isTime, parts == 0 { return at + 1 == text.count }
            guard let unit = (isTime ? times : dates).firstIndex(of: text[at]), last < 0 ? unit >= 0 : unit == last + 1 else { return false }
            last = unit
            parts += 1
            at += 1
        }
        return parts > 0
    }

    // MARK: - Hosts

    /// RFC 1123: labels of 1 to 63, together at most 253.
    private static func isHostname(_ text: Span<UInt8>) -> Bool {
        guard text.count > 0, text.count <= 253 else { return false }
        var label = 0
        for i in text.indices {
            let byte = text[i]
            if byte == UInt8(ascii: ".") {
                guard label > 0, text[i - 1] != UInt8(ascii: "-") else { return false }
                label = 0
                continue
            }
            guard byte.isLetter || byte.isDigit || (byte == UInt8(ascii: "-") && label > 0) else { return false }
            label += 1
            guard label <= 63 else { return false }
        }
        return label > 0 && text[text.count - 1] != UInt8(ascii: "-")
    }

    private static func isIPv4(_ text: Span<UInt8>) -> Bool {
        var parts = 0
        var at = 0
        while parts < 4 {
            let first = at
            var value = 0
            while at < text.count, at - first < 3, text[at].isDigit {
                value = value * 10 + Int(text[at] - 48)
                at += 1
            }
            // A leading zero would be octal to some.
            guard at > first, value <= 255, at - first == 1 || text[first] != 48 else { return false }
            parts += 1
            if parts < 4 {
                guard at < text.count, text[at] == UInt8(ascii: ".") else { return false }
                at += 1
            }
        }
        return at == text.count
    }

    /// RFC 4291, 2.2, without a zone.
    static func isIPv6(_ text: Span<UInt8>) -> Bool {
        var groups = 0
        var hasGap = false
        var at = 0
        if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
            hasGap = true
            at = 2
            if at == text.count { return true }
        }
        while true {
            let first = at
            while at < text.count, at - first < 5, text[at].hexValue != nil { at += 1 }
            if at < text.count, text[at] == UInt8(ascii: ".") {
                guard isIPv4(text.extracting(first...)) else { return false }
                groups += 2
                break
            }
            guard (1...4).contains(at - first) else { return false }
            groups += 1
            if at == text.count { break }
            guard text[at] == UInt8(ascii: ":"), at + 1 < text.count else { return false }
            at += 1
            if text[at] == UInt8(ascii: ":") {
                guard !hasGap else { return false }
                hasGap = true
                at += 1
                if at == text.count { break }
            }
        }
        return hasGap ? groups < 8 : groups == 8
    }

    /// RFC 5321's Mailbox, without quoted names: `local@host` or `local@[address]`.
    private static func isEmail(_ text: Span<UInt8>) -> Bool {
        var at = 0
        var isDotAllowed = false
        while at < text.count, text[at] != UInt8(ascii: "@") {
            let byte = text[at]
            if byte == UInt8(ascii: ".") {
                guard isDotAllowed else { return false }
                isDotAllowed = false
            } else {
                guard byte.isLetter || byte.isDigit || "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte) else { return false }
                isDotAllowed = true
            }
            at += 1
        }
        guard isDotAllowed, at + 1 < text.count else { return false }
        let host = text.extracting((at + 1)...)
        guard host[0] == UInt8(ascii: "["), host[host.count - 1] == UInt8(ascii: "]") else { return isHostname(host) }
        let address = host.extracting(1..<host.count - 1)
        let tag = Array("IPv6:".utf8)
        return isIPv4(address) || (address.count > 5 && address.extracting(0..<5).isEqual(to: tag) && isIPv6(address.extracting(5...)))
    }

    // MARK: - Pointers (RFC 6901)

    private static func isPointer(_ text: Span<UInt8>, from: Int) -> Bool {
        guard from < text.count else { return true }
        guard text[from] == UInt8(ascii: "/") else { return false }
        for i in from..<text.count where text[i] == UInt8(ascii: "~") {
            guard i + 1 < text.count, text[i + 1] == 48 || text[i + 1] == 49 else { return false }
        }
        return true
    }
}

extension UInt8 {
    var isDigit: Bool { self &- 48 < 10 }
    var isLetter: Bool { (self | 0x20) &- 97 < 26 }
}

import Exchanges
import Pipeline

/// How a stream of JSON texts is written: a text a line, or an event each; the client's `Accept` decides.
enum StreamForm: Equatable {
    case lines, events

    init(accept exchange: Exchange) {
        let wantsEvents: Bool? = exchange.text?.withReadable { text in
            for field in exchange.head.fields where field.name == .accept {
                if text.extracting(field.value.range).names("text/event-stream") { return true }
            }
            return false
        }
        self = wantsEvents == true ? .events : .lines
    }

    var contentType: StaticString {
        switch self {
        case .lines: "application/x-ndjson"
        case .events: "text/event-stream; charset=utf-8"
        }
    }

    func begin(_ out: Buffer) {
        if self == .events { out.append("data: " as StaticString) }
    }

    func end(_ out: Buffer) {
        out.append(self == .events ? "\n\n" : "\n" as StaticString)
    }

    /// The last text says why there are no more.
    func beginError(_ out: Buffer) {
        out.append(self == .events ? "event: error\ndata: " : "{\"error\":" as StaticString)
    }

    func endError(_ out: Buffer) {
        out.append(self == .events ? "\n\n" : "}\n" as StaticString)
    }
}

extension Span where Element == UInt8 {
    /// Does a list of media types name this one? Weights do not count.
    fileprivate func names(_ type: StaticString) -> Bool {
        var start = 0
        while start < count {
            var end = start
            while end < count, self[end] != 0x2c { end += 1 }
            var first = start
            while first < end, self[first] == 0x20 || self[first] == 0x09 { first += 1 }
            let last = min(first + type.utf8CodeUnitCount, end)
            let isWhole = last == end || self[last] == 0x3b || self[last] == 0x20
            if isWhole, extracting(first..<last).equalsIgnoringCase(type) { return true }
            start = end + 1
        }
        return false
    }
}

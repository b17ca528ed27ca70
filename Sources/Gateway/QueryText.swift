import Exchanges

/// A query's parameters: `name=value`, separated by `&`, percent-encoded.
enum QueryText {
    /// Where a parameter stands.
    private struct Place {
        var name: Range<Int>
        var value: Range<Int>
    }

    /// All of them, decoded; nil when there are more than `most`.
    static func parameters(_ query: borrowing Span<UInt8>, most: Int) -> [(name: [UInt8], value: [UInt8])]? {
        var found: [(name: [UInt8], value: [UInt8])] = []
        var start = 0
        while start < query.count {
            let place = place(in: query, from: start)
            start = place.value.upperBound + 1
            if place.name.isEmpty && place.value.isEmpty { continue }
            guard found.count < most else { return nil }
            found.append((decode(query.extracting(place.name)), decode(query.extracting(place.value))))
        }
        return found
    }

    /// Where the first value of the parameter `name` stands, as it is written; nil when there is none.
    static func value(of name: StaticString, in query: borrowing Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < query.count {
            let place = place(in: query, from: start)
            if query.extracting(place.name).equals(name) { return place.value }
            start = place.value.upperBound + 1
        }
        return nil
    }

    private static func place(in query: borrowing Span<UInt8>, from start: Int) -> Place {
        var end = start
        while end < query.count, query[end] != 0x26 { end += 1 }
        var middle = start
        while middle < end, query[middle] != 0x3d { middle += 1 }
        return Place(name: start..<middle, value: min(middle + 1, end)..<end)
    }

    /// A `+` is a space, as forms write it.
    private static func decode(_ text: borrowing Span<UInt8>) -> [UInt8] {
        let plain = text.bytes.map { $0 == 0x2b ? 0x20 : $0 }
        return PercentDecoding.decode(plain.span)
    }
}

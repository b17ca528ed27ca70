import Exchanges

/// The field `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07), in gRPC the metadata of that name:
/// a structured string, or the same characters bare. `"abc"` and `abc` are one key.
enum IdempotencyKey {
    /// Characters of a key.
    static let longest = 255

    enum Reading {
        case none
        /// Given twice, or no key.
        case malformed
        /// Its place in the text.
        case plain(Range<Int>)
        /// One with escapes, read.
        case unescaped([UInt8])
    }

    static func read(_ head: borrowing Head, in text: borrowing Span<UInt8>) -> Reading {
        var place: Range<Int>?
        for i in head.fields.indices where head.fields[i].name == .idempotencyKey {
            if place != nil { return .malformed }
            place = head.fields[i].value.range
        }
        guard let place else { return .none }
        guard place.count >= 2, text[place.lowerBound] == 0x22 else { return bare(place, in: text) }
        return quoted((place.lowerBound + 1)..<place.upperBound, in: text)
    }

    private static func bare(_ place: Range<Int>, in text: borrowing Span<UInt8>) -> Reading {
        guard (1...longest).contains(place.count), text[place.lowerBound] != 0x22 else { return .malformed }
        for i in place where text[i] <= 0x20 || text[i] > 0x7e { return .malformed }
        return .plain(place)
    }

    /// - Parameter place: after the first quote.
    private static func quoted(_ place: Range<Int>, in text: borrowing Span<UInt8>) -> Reading {
        let end = place.upperBound - 1
        guard place.lowerBound < end, text[end] == 0x22 else { return .malformed }
        var key: [UInt8] = []
        var plain = true
        var i = place.lowerBound
        while i < end {
            switch text[i] {
            case 0x5c:
                guard i + 1 < end, text[i + 1] == 0x22 || text[i + 1] == 0x5c else { return .malformed }
                if plain { key = text.extracting(place.lowerBound..<i).bytes }
                plain = false
                i += 1
                key.append(text[i])
            case 0x22: return .malformed
            case 0x20...0x7e: if !plain { key.append(text[i]) }
            default: return .malformed
            }
            i += 1
        }
        if plain { return end - place.lowerBound <= longest ? .plain(place.lowerBound..<end) : .malformed }
        return key.count <= longest ? .unescaped(key) : .malformed
    }
}

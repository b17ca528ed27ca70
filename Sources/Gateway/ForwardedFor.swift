import Exchanges
import Settings

/// Reads X-Forwarded-For from the right: each trusted proxy vouches only for the address it saw.
enum ForwardedFor {
    /// The right-most address that `trusts` does not know, or nil when there is none or the list is
    /// malformed before one is found.
    static func client(of head: Head, in text: borrowing Span<UInt8>, trusts: (IPAddress) -> Bool)
        -> (high: UInt64, low: UInt64)?
    {
        var last: (high: UInt64, low: UInt64)?
        for field in head.fields.reversed() where field.name == .xForwardedFor {
            let range = field.value.range
            var end = range.upperBound
            while end > range.lowerBound {
                var start = end
                while start > range.lowerBound && text[start - 1] != 0x2c { start -= 1 }
                guard let address = IPAddress(member(text.extracting(start..<end))) else { return last }
                last = (address.high, address.low)
                if !trusts(address) { return last }
                end = start - 1
            }
        }
        return last
    }

    private static func member(_ text: borrowing Span<UInt8>) -> String {
        String(text.text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}

import Exchanges
import Pipeline

/// Is a body JSON for whoever reads it behind the gateway? By its fields: a text that is JSON may be a form, too.
extension Exchange {
    /// One `Content-Type` that says JSON in UTF-8, and no `Content-Encoding`.
    var saysJSON: Bool {
        guard let text else { return false }
        return text.withReadable { text in
            var types = 0
            for i in head.fields.indices {
                let field = head.fields[i]
                if field.name == .contentType {
                    types += 1
                    guard Self.isJSON(text.extracting(field.value.range)) else { return false }
                }
            }
            return types == 1 && head.first(named: Self.contentEncoding, in: text) == nil
        }
    }

    private static let contentEncoding = Array("content-encoding".utf8)

    /// `application/json` or `application/…+json`, in no other charset (RFC 8259 section 8.1, RFC 6839 section 3.1).
    static func isJSON(_ type: borrowing Span<UInt8>) -> Bool {
        // Blanks and quotes change nothing; a comma would be two types.
        let plain = type.bytes.filter { $0 != 0x20 && $0 != 0x09 && $0 != 0x22 }.map(\.asciiLowercased)
        guard !plain.contains(0x2c) else { return false }
        let parts = plain.split(separator: 0x3b, omittingEmptySubsequences: false)
        guard let name = parts.first, name.elementsEqual("application/json".utf8) || isSuffixed(name) else { return false }
        return parts.dropFirst().allSatisfy { !$0.starts(with: "charset".utf8) || $0.elementsEqual("charset=utf-8".utf8) }
    }

    private static func isSuffixed(_ name: ArraySlice<UInt8>) -> Bool {
        name.starts(with: "application/".utf8) && name.count > 17 && name.suffix(5).elementsEqual("+json".utf8)
    }
}

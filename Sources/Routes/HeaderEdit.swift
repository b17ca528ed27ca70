public import Exchanges

/// One change of a header section as plain bits; its texts stand in `RouteTable.text`.
public struct HeaderEdit: Sendable, BitwiseCopyable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Every field of this name goes, however often it stands there.
        case remove
        /// As `remove`, then one field with the value.
        case set
        /// One more field.
        case add
    }
    public var kind: Kind
    public var name: FieldName
    /// Lower case.
    public var nameText: Slice
    /// Empty for `remove`.
    public var value: Slice
}

/// What a route changes: two runs of `RouteTable.edits`, each with its removals first.
public struct HeaderEdits: Sendable, BitwiseCopyable {
    public var requestStart: UInt32
    public var requestCount: UInt32
    public var responseStart: UInt32
    public var responseCount: UInt32

    /// Indices of `RouteTable.edits` for the request sent upstream.
    @inlinable public var request: Range<Int> { Int(requestStart)..<(Int(requestStart) + Int(requestCount)) }
    /// Indices of `RouteTable.edits` for the answer sent to the client.
    @inlinable public var response: Range<Int> { Int(responseStart)..<(Int(responseStart) + Int(responseCount)) }
}

/// Which names and values a route file may write.
enum HeaderRules {
    /// Framing and hop-by-hop fields (RFC 9110 section 7.6.1): they belong to the codec of each side,
    /// and a route that could write them could split messages.
    static let protected: Set<String> = [
        "connection", "transfer-encoding", "content-length", "host", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "http2-settings", "expect",
    ]

    /// A `token` of RFC 9110, of bounded length.
    static func isName(_ text: String) -> Bool {
        text.utf8.count >= 1 && text.utf8.count <= 256 && text.utf8.allSatisfy(\.isTokenCharacter)
    }

    /// A field value of RFC 9110 section 5.5: no control characters but tab, no white space at the
    /// ends; may be empty.
    static func isValue(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.count <= 8192, bytes.allSatisfy({ ($0 >= 0x20 && $0 != 0x7f) || $0 == 0x09 }) else { return false }
        return ![0x20, 0x09].contains(bytes.first ?? 0) && ![0x20, 0x09].contains(bytes.last ?? 0)
    }
}

/// What is asked. The HTTP methods by name; `.other` keeps its token in `Head.method`.
public enum Verb: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case get, head, post, put, patch, delete, options, trace, connect, other
    case call, publish, subscribe

    /// RFC 9110 section 9.2.2: repeating it has the same effect as sending it once.
    @inlinable public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }

    /// The token on the wire, upper case; nil where it is not one of the known methods.
    public var token: String? {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .connect: "CONNECT"
        case .other, .call, .publish, .subscribe: nil
        }
    }
}

/// One header field: its number, and where its name and value stand in the head's text.
public struct Field: Sendable, BitwiseCopyable {
    public var name: FieldName
    public var nameText: Slice
    public var value: Slice
    @inlinable public init(name: FieldName, nameText: Slice, value: Slice) {
        self.name = name
        self.nameText = nameText
        self.value = value
    }
}

/// The version of HTTP a message came in.
public enum HTTPVersion: UInt8, Sendable, BitwiseCopyable {
    case http10, http11, http2

    /// As `Via` says it (RFC 9110 section 7.6.3).
    public var number: StaticString {
        switch self {
        case .http10: "1.0"
        case .http11: "1.1"
        case .http2: "2"
        }
    }
}

/// All that is known of a request before its body: plain records that point into one text.
///
/// The text itself stays in the connection's buffer; functions that read a head take it beside as a
/// `Span<UInt8>`. After the codec has normalised the path (SPEC 28.1) `path` holds the one form used
/// for matching, policy and forwarding.
public struct Head: Sendable {
    public var fields: [Field] = []
    /// The method token as it came (`GET`), or empty for dialects without one.
    public var method = Slice.none
    /// The request target as it came, before normalisation (for logs only while the text is untouched).
    public var target = Slice.none
    /// The normal form of the path, without the query; `*` for `OPTIONS *`.
    public var path = Slice.none
    /// The query without its `?`; empty when there is none (see `hasQuery`).
    public var query = Slice.none
    public var hasQuery = false
    /// Host and optional port; from the Host field or the absolute-form target.
    public var authority = Slice.none
    public var verb = Verb.get
    public var dialect = Dialect.http
    public var version = HTTPVersion.http11

    public init() {}

    @inlinable public mutating func clear() {
        fields.removeAll(keepingCapacity: true)
        method = .none
        target = .none
        path = .none
        query = .none
        hasQuery = false
        authority = .none
        verb = .get
        dialect = .http
        version = .http11
    }

    /// The first field with this number, or nil.
    @inlinable public func first(_ name: FieldName) -> Field? {
        for field in fields where field.name == name { return field }
        return nil
    }

    /// The first field spelled `name` (lower case), whatever its number.
    public func first(named name: [UInt8], in text: borrowing Span<UInt8>) -> Field? {
        for field in fields where text.extracting(field.nameText.range).equalsIgnoringCase(name) { return field }
        return nil
    }
}

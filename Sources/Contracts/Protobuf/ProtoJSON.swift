/// Why a message cannot become JSON or JSON no message, and where in the JSON.
public struct ProtoJSONError: Error, Sendable, Equatable {
    /// RFC 6901; `""` is the whole document. See `JSONError.pointer` for its bound.
    public var pointer: String
    /// A short text, safe to show to whoever sent the input.
    public var text: String

    public init(_ pointer: String, _ text: String) {
        self.pointer = pointer
        self.text = text
    }
}

/// How the two ways between messages and JSON behave; the defaults are those of ProtoJSON
/// (https://protobuf.dev/programming-guides/json).
public struct ProtoJSONOptions: Sendable {
    /// Prints fields without presence although they hold their default, and empty lists and maps.
    public var printsDefaults = false
    /// Prints names as the .proto file writes them; reading always accepts both.
    public var usesOriginalNames = false
    /// Prints enum values as numbers.
    public var printsEnumsAsNumbers = false
    /// Skips unknown members, and unknown names of enum values, instead of refusing them.
    public var ignoresUnknown = false
    /// Messages (and groups) inside each other.
    public var depth = 64
    /// Bytes of JSON that one message may become: names and defaults make it much longer than it was.
    public var output = 64 << 20
    /// What a JSON text may cost.
    public var json = JSONLimits(depth: 128)

    public init() {}
}

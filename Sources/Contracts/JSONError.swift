/// Why a text is not the JSON we accept (RFC 8259, RFC 7493), and where.
public struct JSONError: Error, Sendable, Equatable {
    public enum Reason: UInt8, Sendable {
        case empty
        case tooLarge
        case tooDeep
        case tooManyValues
        case unexpectedEnd
        case unexpectedByte
        case invalidLiteral
        case invalidNumber
        case invalidEscape
        case loneSurrogate
        case invalidUTF8
        case controlCharacter
        case duplicateName
        case trailingBytes

        /// A constant, safe to show to whoever sent the text.
        public var text: StaticString {
            switch self {
            case .empty: "the text is empty"
            case .tooLarge: "the text is too large"
            case .tooDeep: "nested too deeply"
            case .tooManyValues: "too many values"
            case .unexpectedEnd: "the text ends too early"
            case .unexpectedByte: "unexpected character"
            case .invalidLiteral: "not true, false or null"
            case .invalidNumber: "not a number"
            case .invalidEscape: "invalid escape"
            case .loneSurrogate: "half of a surrogate pair"
            case .invalidUTF8: "invalid UTF-8"
            case .controlCharacter: "control character in a string"
            case .duplicateName: "member name used twice"
            case .trailingBytes: "something follows the value"
            }
        }
    }

    public var reason: Reason
    /// Bytes from the beginning of the text.
    public var offset: Int
    /// RFC 6901: the value being read when the error was met; `""` is the whole document. When a
    /// name makes it longer than 256 bytes it stops at the nearest value outside.
    public var pointer: String

    public init(_ reason: Reason, offset: Int, pointer: String = "") {
        self.reason = reason
        self.offset = offset
        self.pointer = pointer
    }

    /// `pointer` with one more reference token: the member `name`, escaped. See `pointer` for its bound.
    public static func pointer(_ pointer: String, _ name: [UInt8]) -> String {
        var longer = pointer
        longer.append(step: name)
        return longer
    }
}

/// What a JSON text may cost. The defaults serve a request body.
public struct JSONLimits: Sendable {
    /// Bytes of text.
    public var bytes: Int
    /// Arrays and objects inside each other.
    public var depth: Int
    /// Values and member names; each costs 16 bytes of memory.
    public var values: Int

    public init(bytes: Int = 16 << 20, depth: Int = 64, values: Int = 1_000_000) {
        self.bytes = min(bytes, Int(UInt32.max))
        self.depth = depth
        self.values = values
    }
}

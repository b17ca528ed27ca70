/// Why descriptors are no schema, and where.
public struct ProtoSchemaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The .proto file's name, or the descriptor set's when the mistake is in no file of it.
    public var file: String
    /// The full name of the message, field, enum or service, or "" for the whole file.
    public var symbol: String
    public var text: String

    public init(file: String, symbol: String = "", _ text: String) {
        self.file = file
        self.symbol = symbol
        self.text = text
    }

    public var description: String { symbol.isEmpty ? "\(file): \(text)" : "\(file): \(symbol): \(text)" }
}

/// What descriptors may cost. The defaults serve a set written by `protoc`.
public struct ProtoSchemaLimits: Sendable {
    /// Bytes of one descriptor set.
    public var bytes = 16 << 20
    /// Messages inside each other.
    public var depth = 32
    public var files = 4096
    /// Messages and enums in all files together.
    public var types = 65_536
    /// Fields, enum values and methods in all files together.
    public var members = 524_288

    public init() {}
}

/// Goes through the user properties of a properties block that has been checked (MQTT 5.0 section 2.2.2).
public struct UserProperties: Sendable {
    private var at: Int
    private let end: Int

    public init(_ properties: Range<Int>) {
        at = properties.lowerBound
        end = properties.upperBound
    }

    /// The next pair, in the order sent; nil at the end.
    public mutating func next(_ bytes: borrowing Span<UInt8>) -> (name: Range<Int>, value: Range<Int>)? {
        preconditionFailure("not written yet")
    }
}

/// Other properties of a PUBLISH or a will.
public enum PublishProperties {
    /// Appends, as they are encoded, those that go on to subscribers: payload format, content type, response topic,
    /// correlation data and the user properties in their order. Message expiry and topic alias do not: they change.
    public static func forwarded(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> [UInt8] {
        preconditionFailure("not written yet")
    }

    /// The content type; nil = none.
    public static func contentType(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Range<Int>? {
        preconditionFailure("not written yet")
    }

    /// The sender says that the payload is UTF-8 text (payload format indicator 1).
    public static func saysText(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        preconditionFailure("not written yet")
    }
}

import Exchanges

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
        while let field = CheckedProperties.next(&at, end, bytes) {
            if field.property == .user { return (field.range, field.value) }
        }
        return nil
    }
}

/// Other properties of a PUBLISH or a will.
public enum PublishProperties {
    /// Appends, as they are encoded, those that go on to subscribers: payload format, content type, response topic,
    /// correlation data and the user properties in their order. Message expiry and topic alias do not: they change.
    public static func forwarded(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> [UInt8] {
        guard !properties.isEmpty else { return [] }
        var kept: [UInt8] = []
        // Runs of properties that go on are copied at once.
        var run = properties.lowerBound
        var at = properties.lowerBound
        while true {
            let start = at
            guard let field = CheckedProperties.next(&at, properties.upperBound, bytes) else { break }
            if goesOn.contains(field.property) { continue }
            append(run..<start, of: bytes, to: &kept)
            run = at
        }
        append(run..<at, of: bytes, to: &kept)
        return kept
    }

    /// The content type; nil = none.
    public static func contentType(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Range<Int>? {
        find(.contentType, properties, bytes)?.range
    }

    /// Where the sender expects an answer; nil = nowhere.
    public static func responseTopic(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Range<Int>? {
        find(.responseTopic, properties, bytes)?.range
    }

    /// What the sender knows the answer by; nil = none.
    public static func correlationData(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Range<Int>? {
        find(.correlationData, properties, bytes)?.range
    }

    /// The sender says that the payload is UTF-8 text (payload format indicator 1).
    public static func saysText(_ properties: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        find(.payloadFormat, properties, bytes)?.number == 1
    }

    /// A payload whose sender says that it is text has to be well-formed UTF-8 (section 3.3.2.3.2); U+0000 may stand in it.
    public static func isText(_ payload: borrowing Span<UInt8>) -> Bool { UTF8Text.isWellFormed(payload) }

    private static let goesOn = Property.Set(.payloadFormat, .contentType, .responseTopic, .correlationData, .user)

    private static func find(_ property: Property, _ properties: Range<Int>, _ bytes: borrowing Span<UInt8>) -> PropertyField? {
        var at = properties.lowerBound
        while let field = CheckedProperties.next(&at, properties.upperBound, bytes) {
            if field.property == property { return field }
        }
        return nil
    }

    private static func append(_ range: Range<Int>, of bytes: borrowing Span<UInt8>, to kept: inout [UInt8]) {
        guard !range.isEmpty else { return }
        if kept.isEmpty {
            kept = bytes.extracting(range).bytes
        } else {
            for i in range { kept.append(bytes[i]) }
        }
    }
}

/// A block that a packet's reader has been through already. Bytes that are not such a block end the walk; nothing is read
/// outside them.
private enum CheckedProperties {
    static func next(_ at: inout Int, _ end: Int, _ bytes: borrowing Span<UInt8>) -> PropertyField? {
        guard at < end, let property = Property(rawValue: bytes[at]) else { return nil }
        var cursor = PacketCursor(at &+ 1..<end)
        guard let field = try? PropertyReader.field(property, &cursor, bytes, isChecked: true) else { return nil }
        at = cursor.at
        return field
    }
}

/// Properties for a message that begins here, as `OutgoingPublish.properties` wants them (section 3.3.2.3).
public struct PropertiesWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// The payload is UTF-8 text.
    public mutating func payloadIsText() {
        bytes += [Property.payloadFormat.rawValue, 1]
    }

    // Each of the following says whether it was written: texts that MQTT cannot carry (65,536 bytes or more, ill-formed UTF-8,
    // U+0000) are left out. Only user properties may come more than once.

    @discardableResult public mutating func contentType(_ text: [UInt8]) -> Bool { append(.contentType, text: text) }

    /// A topic name without wildcards.
    @discardableResult public mutating func responseTopic(_ topic: [UInt8]) -> Bool {
        TopicName.isValid(topic.span, mostLevels: .max) && append(.responseTopic, text: topic)
    }

    @discardableResult public mutating func correlationData(_ data: [UInt8]) -> Bool {
        guard data.count <= UTF8Text.longest else { return false }
        bytes.append(Property.correlationData.rawValue)
        append(sized: data)
        return true
    }

    @discardableResult public mutating func user(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        guard Self.fits(name), Self.fits(value) else { return false }
        bytes.append(Property.user.rawValue)
        append(sized: name)
        append(sized: value)
        return true
    }

    private mutating func append(_ property: Property, text: [UInt8]) -> Bool {
        guard Self.fits(text) else { return false }
        bytes.append(property.rawValue)
        append(sized: text)
        return true
    }

    private mutating func append(sized data: [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: data.count >> 8))
        bytes.append(UInt8(truncatingIfNeeded: data.count))
        bytes += data
    }

    private static func fits(_ text: [UInt8]) -> Bool { text.count <= UTF8Text.longest && UTF8Text.isValid(text.span) }
}

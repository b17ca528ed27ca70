import Exchanges

/// The properties of MQTT 5 by their identifiers (MQTT 5.0 section 2.2.2.2).
enum Property: UInt8 {
    case payloadFormat = 0x01
    case messageExpiry = 0x02
    case contentType = 0x03
    case responseTopic = 0x08
    case correlationData = 0x09
    case subscriptionIdentifier = 0x0b
    case sessionExpiry = 0x11
    case assignedClientID = 0x12
    case serverKeepAlive = 0x13
    case authenticationMethod = 0x15
    case authenticationData = 0x16
    case requestProblemInformation = 0x17
    case willDelay = 0x18
    case requestResponseInformation = 0x19
    case responseInformation = 0x1a
    case serverReference = 0x1c
    case reasonString = 0x1f
    case receiveMaximum = 0x21
    case topicAliasMaximum = 0x22
    case topicAlias = 0x23
    case maximumQoS = 0x24
    case retainAvailable = 0x25
    case user = 0x26
    case maximumPacketSize = 0x27
    case wildcardSubscriptions = 0x28
    case subscriptionIdentifiers = 0x29
    case sharedSubscriptions = 0x2a

    enum Kind { case byte, uint16, uint32, variable, text, binary, pair }

    var kind: Kind {
        switch self {
        case .payloadFormat, .requestProblemInformation, .requestResponseInformation, .maximumQoS, .retainAvailable,
            .wildcardSubscriptions, .subscriptionIdentifiers, .sharedSubscriptions:
            .byte
        case .serverKeepAlive, .receiveMaximum, .topicAliasMaximum, .topicAlias: .uint16
        case .messageExpiry, .sessionExpiry, .willDelay, .maximumPacketSize: .uint32
        case .subscriptionIdentifier: .variable
        case .contentType, .responseTopic, .assignedClientID, .authenticationMethod, .responseInformation, .serverReference,
            .reasonString:
            .text
        case .correlationData, .authenticationData: .binary
        case .user: .pair
        }
    }

    /// Numbers below 64 as bits of one word.
    struct Set: OptionSet {
        let rawValue: UInt64
        init(rawValue: UInt64) { self.rawValue = rawValue }
        init(_ properties: Property...) {
            rawValue = properties.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
        }

        @inline(__always) func contains(_ property: Property) -> Bool { rawValue & 1 << UInt64(property.rawValue) != 0 }
        @inline(__always) mutating func insert(_ property: Property) -> Bool {
            let bit: UInt64 = 1 << UInt64(property.rawValue)
            defer { self = Set(rawValue: rawValue | bit) }
            return rawValue & bit == 0
        }
    }
}

/// One property as it stands in a packet.
struct PropertyField {
    var property: Property
    /// Of numbers.
    var number: UInt32 = 0
    /// Of texts and binary data; the name of a user property.
    var range = 0..<0
    /// Of a user property.
    var value = 0..<0
}

/// Goes through the properties of a block, in any order, each at most once unless it is a user property.
struct PropertyReader {
    private var cursor: PacketCursor
    /// Those this packet may have.
    private let allowed: Property.Set
    /// Those it may have from a server only.
    private let serverOnly: Property.Set
    private(set) var seen = Property.Set()

    init(_ block: Range<Int>, allowed: Property.Set, serverOnly: Property.Set = Property.Set()) {
        cursor = PacketCursor(block)
        self.allowed = allowed
        self.serverOnly = serverOnly
    }

    mutating func next(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> PropertyField? {
        guard !cursor.isAtEnd else { return nil }
        let number = try cursor.variableInteger(bytes)
        guard number < 0x80, let property = Property(rawValue: UInt8(number)) else {
            throw MQTTFault(.malformedPacket, "there is no property with this identifier")
        }
        if !allowed.contains(property) {
            if serverOnly.contains(property) { throw MQTTFault(.protocolError, "only a server sends this property") }
            throw MQTTFault(.malformedPacket, "a property that this packet does not have")
        }
        if property != .user, !seen.insert(property) {
            throw MQTTFault(.protocolError, "a property comes twice")
        }
        return try Self.field(property, &cursor, bytes)
    }

    /// The value that stands at the cursor.
    /// - Parameter isChecked: its texts are known to be well-formed.
    static func field(
        _ property: Property, _ cursor: inout PacketCursor, _ bytes: borrowing Span<UInt8>, isChecked: Bool = false
    ) throws(MQTTFault) -> PropertyField {
        var field = PropertyField(property: property)
        switch property.kind {
        case .byte: field.number = UInt32(try cursor.byte(bytes))
        case .uint16: field.number = UInt32(try cursor.uint16(bytes))
        case .uint32: field.number = try cursor.uint32(bytes)
        case .variable: field.number = try cursor.variableInteger(bytes)
        case .text: field.range = try isChecked ? cursor.binary(bytes) : cursor.text(bytes)
        case .binary: field.range = try cursor.binary(bytes)
        case .pair:
            field.range = try isChecked ? cursor.binary(bytes) : cursor.text(bytes)
            field.value = try isChecked ? cursor.binary(bytes) : cursor.text(bytes)
        }
        return field
    }
}

extension PropertyField {
    /// A byte that says no or yes.
    func flag() throws(MQTTFault) -> Bool {
        guard number <= 1 else { throw MQTTFault(.protocolError, "a property that is 0 or 1 has another value") }
        return number == 1
    }

    func nonZero() throws(MQTTFault) -> UInt32 {
        guard number != 0 else { throw MQTTFault(.protocolError, "a property has the value 0, which it must not") }
        return number
    }

    /// A response topic is a topic name (MQTT-3.3.2-14).
    func expectTopicName(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) {
        guard TopicName.isValid(bytes.extracting(range), mostLevels: .max) else {
            throw MQTTFault(.protocolError, "the response topic is empty or has wildcards")
        }
    }
}

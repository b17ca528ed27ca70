import Exchanges

// What clients send, taken apart in place: ranges are places in the bytes of the packet that was read. Every reader
// throws on whatever the version forbids; what it returns has been checked whole (lengths, UTF-8, properties, flags).

/// A CONNECT packet (MQTT 5.0 section 3.1, MQTT 3.1.1 section 3.1).
public struct ConnectPacket: Sendable {
    public struct Will: Sendable {
        /// A topic name: not empty, without wildcards.
        public var topic: Range<Int>
        public var payload: Range<Int>
        public var qos: QoS
        public var retain: Bool
        /// Seconds.
        public var delay: UInt32
        /// Seconds; nil = none.
        public var messageExpiry: UInt32?
        /// The properties block, without its length.
        public var properties: Range<Int>
    }

    public var version: MQTTVersion
    /// Clean session in MQTT 3.1.1.
    public var cleanStart: Bool
    /// Seconds; 0 = off.
    public var keepAlive: UInt16
    public var clientID: Range<Int>
    public var username: Range<Int>?
    public var password: Range<Int>?
    public var will: Will?
    /// Seconds; `UInt32.max` = for ever. MQTT 3.1.1: 0 with a clean session, else `UInt32.max`.
    public var sessionExpiry: UInt32
    /// At least 1.
    public var receiveMaximum: UInt16
    /// Bytes; `UInt32.max` = no bound.
    public var maximumPacketSize: UInt32
    public var topicAliasMaximum: UInt16
    public var requestResponseInformation: Bool
    public var requestProblemInformation: Bool
    public var authenticationMethod: Range<Int>?
    public var properties: Range<Int>

    /// The version a CONNECT asks for, whatever else is wrong with it: its refusal is written in that version's form. Nil = none
    /// that is known.
    public static func version(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) -> MQTTVersion? {
        var cursor = PacketCursor(frame.body)
        return try? Self.version(bytes, &cursor)
    }

    /// - Throws: `unsupportedProtocolVersion` for other versions; nothing is known of what would be read then.
    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) {
        var cursor = PacketCursor(frame.body)
        version = try Self.version(bytes, &cursor)
        cursor = try PacketCursor(frame, version: version)
        cursor.at &+= Self.prefix
        let flags = try ConnectFlags(try cursor.byte(bytes), version: version)
        cleanStart = flags.cleanStart
        keepAlive = try cursor.uint16(bytes)

        sessionExpiry = version == .v311 && !flags.cleanStart ? .max : 0
        receiveMaximum = .max
        maximumPacketSize = .max
        topicAliasMaximum = 0
        requestResponseInformation = false
        requestProblemInformation = true
        authenticationMethod = nil
        properties = 0..<0
        clientID = 0..<0
        if version == .v5 { try readProperties(bytes, &cursor) }

        clientID = try cursor.text(bytes)
        // MQTT 3.1.1: MQTT-3.1.3-7, MQTT-3.1.3-8.
        if version == .v311, clientID.isEmpty, !cleanStart {
            throw MQTTFault(.clientIdentifierNotValid, "a session that is to last needs a client identifier")
        }
        will = nil
        if flags.hasWill {
            will = try Will(bytes, &cursor, version: version, qos: flags.willQoS, retain: flags.willRetain)
        }
        username = flags.hasUsername ? try cursor.text(bytes) : nil
        password = flags.hasPassword ? try cursor.binary(bytes) : nil
        try cursor.expectEnd()
    }

    /// Bytes of the protocol name, its length and the version.
    private static let prefix = 7

    /// Protocol name and version (MQTT-3.1.2-1, MQTT-3.1.2-2).
    private static func version(_ bytes: borrowing Span<UInt8>, _ cursor: inout PacketCursor) throws(MQTTFault) -> MQTTVersion {
        let text = try cursor.binary(bytes)
        let number = try cursor.byte(bytes)
        guard text.count == 4, bytes.extracting(text).equals("MQTT"), let version = MQTTVersion(rawValue: number) else {
            throw MQTTFault(.unsupportedProtocolVersion, "neither MQTT 3.1.1 nor MQTT 5")
        }
        return version
    }

    private static let allowed = Property.Set(
        .sessionExpiry, .receiveMaximum, .maximumPacketSize, .topicAliasMaximum, .requestResponseInformation,
        .requestProblemInformation, .user, .authenticationMethod, .authenticationData)

    /// Section 3.1.2.11.
    private mutating func readProperties(_ bytes: borrowing Span<UInt8>, _ cursor: inout PacketCursor) throws(MQTTFault) {
        properties = try cursor.block(bytes)
        var reader = PropertyReader(properties, allowed: Self.allowed)
        while let field = try reader.next(bytes) {
            switch field.property {
            case .sessionExpiry: sessionExpiry = field.number
            case .receiveMaximum: receiveMaximum = UInt16(try field.nonZero())
            case .maximumPacketSize: maximumPacketSize = try field.nonZero()
            case .topicAliasMaximum: topicAliasMaximum = UInt16(field.number)
            case .requestResponseInformation: requestResponseInformation = try field.flag()
            case .requestProblemInformation: requestProblemInformation = try field.flag()
            case .authenticationMethod: authenticationMethod = field.range
            default: break
            }
        }
        if reader.seen.contains(.authenticationData), authenticationMethod == nil {
            throw MQTTFault(.protocolError, "authentication data without a method")
        }
    }
}

/// The connect flags (section 3.1.2.3).
private struct ConnectFlags {
    var cleanStart: Bool
    var hasWill: Bool
    var willQoS: QoS
    var willRetain: Bool
    var hasPassword: Bool
    var hasUsername: Bool

    init(_ byte: UInt8, version: MQTTVersion) throws(MQTTFault) {
        // MQTT-3.1.2-3.
        guard byte & 0x01 == 0 else { throw MQTTFault(.malformedPacket, "the reserved connect flag is set") }
        cleanStart = byte & 0x02 != 0
        hasWill = byte & 0x04 != 0
        guard let qos = QoS(rawValue: byte >> 3 & 3) else { throw MQTTFault(.malformedPacket, "QoS 3 of a will") }
        willQoS = qos
        willRetain = byte & 0x20 != 0
        hasPassword = byte & 0x40 != 0
        hasUsername = byte & 0x80 != 0
        // MQTT-3.1.2-11, MQTT-3.1.2-13 (MQTT 3.1.1: MQTT-3.1.2-13, MQTT-3.1.2-15).
        guard hasWill || (willQoS == .atMostOnce && !willRetain) else {
            throw MQTTFault(.malformedPacket, "flags of a will without a will")
        }
        // MQTT 3.1.1: MQTT-3.1.2-22. MQTT 5 allows it.
        guard version == .v5 || hasUsername || !hasPassword else {
            throw MQTTFault(.malformedPacket, "a password without a user name")
        }
    }
}

extension ConnectPacket.Will {
    private static let allowed = Property.Set(
        .willDelay, .payloadFormat, .messageExpiry, .contentType, .responseTopic, .correlationData, .user)

    /// Sections 3.1.3.2 to 3.1.3.4.
    fileprivate init(
        _ bytes: borrowing Span<UInt8>, _ cursor: inout PacketCursor, version: MQTTVersion, qos: QoS, retain: Bool
    ) throws(MQTTFault) {
        self.qos = qos
        self.retain = retain
        delay = 0
        messageExpiry = nil
        properties = 0..<0
        if version == .v5 {
            properties = try cursor.block(bytes)
            var reader = PropertyReader(properties, allowed: Self.allowed)
            while let field = try reader.next(bytes) {
                switch field.property {
                case .willDelay: delay = field.number
                case .messageExpiry: messageExpiry = field.number
                case .payloadFormat: _ = try field.flag()
                case .responseTopic: try field.expectTopicName(bytes)
                default: break
                }
            }
        }
        topic = try cursor.text(bytes)
        guard TopicName.isValid(bytes.extracting(topic), mostLevels: .max) else {
            throw MQTTFault(
                version == .v5 ? .topicNameInvalid : .malformedPacket, "the will's topic is empty or has wildcards")
        }
        payload = try cursor.binary(bytes)
    }
}

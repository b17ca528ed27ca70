import Exchanges

/// A PUBLISH packet of a client (MQTT 5.0 section 3.3).
public struct PublishPacket: Sendable {
    public var qos: QoS
    public var dup: Bool
    public var retain: Bool
    /// A topic name without wildcards. May be empty where an alias stands for it.
    public var topic: Range<Int>
    /// 0 with QoS 0.
    public var packetID: UInt16
    /// 0 = none. Whether it is one that was granted, the connection knows.
    public var topicAlias: UInt16
    /// Seconds; nil = none.
    public var messageExpiry: UInt32?
    /// The properties block, without its length.
    public var properties: Range<Int>
    public var payload: Range<Int>

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        var cursor = try PacketCursor(frame, version: version)
        guard let qos = QoS(rawValue: frame.flags >> 1 & 3) else { throw MQTTFault(.malformedPacket, "QoS 3") }
        self.qos = qos
        dup = frame.flags & 0b1000 != 0
        retain = frame.flags & 0b0001 != 0
        topic = try cursor.text(bytes)
        packetID = qos == .atMostOnce ? 0 : try cursor.packetID(bytes)
        topicAlias = 0
        messageExpiry = nil
        properties = 0..<0
        payload = 0..<0
        if version == .v5 { try readProperties(bytes, &cursor) }
        try checkTopic(bytes, version: version)
        payload = cursor.at..<cursor.end
    }

    private static let allowed = Property.Set(
        .payloadFormat, .messageExpiry, .topicAlias, .responseTopic, .correlationData, .user, .contentType)
    /// MQTT-3.3.4-6.
    private static let serverOnly = Property.Set(.subscriptionIdentifier)

    /// Section 3.3.2.3.
    private mutating func readProperties(_ bytes: borrowing Span<UInt8>, _ cursor: inout PacketCursor) throws(MQTTFault) {
        properties = try cursor.block(bytes)
        guard !properties.isEmpty else { return }
        var reader = PropertyReader(properties, allowed: Self.allowed, serverOnly: Self.serverOnly)
        while let field = try reader.next(bytes) {
            switch field.property {
            case .payloadFormat: _ = try field.flag()
            case .messageExpiry: messageExpiry = field.number
            case .topicAlias:
                // MQTT-3.3.2-8.
                guard field.number != 0 else { throw MQTTFault(.topicAliasInvalid, "the topic alias is 0") }
                topicAlias = UInt16(field.number)
            case .responseTopic: try field.expectTopicName(bytes)
            default: break
            }
        }
    }

    private func checkTopic(_ bytes: borrowing Span<UInt8>, version: MQTTVersion) throws(MQTTFault) {
        if topic.isEmpty {
            // MQTT-4.7.3-1.
            guard version == .v5 else { throw MQTTFault(.malformedPacket, "the topic is empty") }
            guard topicAlias != 0 else { throw MQTTFault(.protocolError, "neither a topic nor an alias") }
        } else if TopicName.hasWildcard(bytes.extracting(topic)) {
            // MQTT-3.3.2-2.
            throw MQTTFault(version == .v5 ? .topicNameInvalid : .malformedPacket, "the topic has wildcards")
        }
    }
}

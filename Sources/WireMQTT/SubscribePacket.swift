import Exchanges

/// One line of a SUBSCRIBE packet (MQTT 5.0 section 3.8.3).
public struct SubscriptionRequest: Sendable {
    public var filter: Range<Int>
    public var options: SubscriptionOptions
}

/// How messages come by a subscription (section 3.8.3.1).
public struct SubscriptionOptions: Sendable, Hashable, BitwiseCopyable {
    public enum RetainHandling: UInt8, Sendable, BitwiseCopyable { case send = 0, sendIfNew, doNotSend }
    public var qos: QoS
    public var noLocal: Bool
    public var retainAsPublished: Bool
    public var retainHandling: RetainHandling

    public init(
        qos: QoS, noLocal: Bool = false, retainAsPublished: Bool = false, retainHandling: RetainHandling = .send
    ) {
        self.qos = qos
        self.noLocal = noLocal
        self.retainAsPublished = retainAsPublished
        self.retainHandling = retainHandling
    }

    /// MQTT-3.8.3-5; MQTT 3.1.1: MQTT-3-8.3-4.
    fileprivate init(_ byte: UInt8, version: MQTTVersion) throws(MQTTFault) {
        guard byte & (version == .v5 ? 0b1100_0000 : 0b1111_1100) == 0 else {
            throw MQTTFault(.malformedPacket, "reserved bits of subscription options are set")
        }
        guard let qos = QoS(rawValue: byte & 3) else { throw MQTTFault(.protocolError, "QoS 3 of a subscription") }
        guard let handling = RetainHandling(rawValue: byte >> 4 & 3) else {
            throw MQTTFault(.protocolError, "retain handling 3 of a subscription")
        }
        self.init(
            qos: qos, noLocal: byte & 0b0100 != 0, retainAsPublished: byte & 0b1000 != 0, retainHandling: handling)
    }
}

/// A SUBSCRIBE packet (section 3.8). Filters have been checked as UTF-8 only: one that is no topic filter is refused by
/// its own reason code in the SUBACK (`TopicFilter`).
public struct SubscribePacket: Sendable {
    public var packetID: UInt16
    /// 0 = none.
    public var identifier: UInt32
    public var requests: [SubscriptionRequest]
    public var properties: Range<Int>

    private static let allowed = Property.Set(.subscriptionIdentifier, .user)

    /// - Parameter most: lines it may have.
    public init(
        _ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion, most: Int
    ) throws(MQTTFault) {
        var cursor = try PacketCursor(frame, version: version)
        packetID = try cursor.packetID(bytes)
        identifier = 0
        properties = 0..<0
        requests = []
        if version == .v5 {
            properties = try cursor.block(bytes)
            var reader = PropertyReader(properties, allowed: Self.allowed)
            while let field = try reader.next(bytes) {
                if field.property == .subscriptionIdentifier { identifier = try field.nonZero() }
            }
        }
        // MQTT-3.8.3-2.
        guard !cursor.isAtEnd else { throw MQTTFault(.protocolError, "SUBSCRIBE without a topic filter") }
        while !cursor.isAtEnd {
            guard requests.count < most else { throw MQTTFault(.quotaExceeded, "SUBSCRIBE with too many topic filters") }
            let filter = try cursor.text(bytes)
            let options = try SubscriptionOptions(try cursor.byte(bytes), version: version)
            // MQTT-3.8.3-4.
            if options.noLocal, TopicFilter.isShared(bytes.extracting(filter)) {
                throw MQTTFault(.protocolError, "No Local on a shared subscription")
            }
            requests.append(SubscriptionRequest(filter: filter, options: options))
        }
    }
}

/// An UNSUBSCRIBE packet (section 3.10).
public struct UnsubscribePacket: Sendable {
    public var packetID: UInt16
    public var filters: [Range<Int>]

    private static let allowed = Property.Set(.user)

    /// - Parameter most: topic filters it may have.
    public init(
        _ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion, most: Int
    ) throws(MQTTFault) {
        var cursor = try PacketCursor(frame, version: version)
        packetID = try cursor.packetID(bytes)
        filters = []
        if version == .v5 {
            var reader = PropertyReader(try cursor.block(bytes), allowed: Self.allowed)
            while try reader.next(bytes) != nil {}
        }
        // MQTT-3.10.3-2.
        guard !cursor.isAtEnd else { throw MQTTFault(.protocolError, "UNSUBSCRIBE without a topic filter") }
        while !cursor.isAtEnd {
            guard filters.count < most else { throw MQTTFault(.quotaExceeded, "UNSUBSCRIBE with too many topic filters") }
            filters.append(try cursor.text(bytes))
        }
    }
}

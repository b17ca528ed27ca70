import Exchanges

/// PUBACK, PUBREC, PUBREL or PUBCOMP (MQTT 5.0 sections 3.4 to 3.7).
public struct AcknowledgementPacket: Sendable, BitwiseCopyable {
    public var packetID: UInt16
    /// `success` in MQTT 3.1.1.
    public var reason: ReasonCode

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        var cursor = try PacketCursor(frame, version: version)
        packetID = try cursor.packetID(bytes)
        reason = .success
        if version == .v311 { try cursor.expectEnd() }
        guard !cursor.isAtEnd else { return }
        guard let code = ReasonCode(rawValue: try cursor.byte(bytes)), Self.allows(code, frame.type) else {
            throw MQTTFault(.protocolError, "an acknowledgement with a reason it does not have")
        }
        reason = code
        guard !cursor.isAtEnd else { return }
        var reader = PropertyReader(try cursor.block(bytes), allowed: Self.allowed)
        while try reader.next(bytes) != nil {}
        try cursor.expectEnd()
    }

    private static let allowed = Property.Set(.reasonString, .user)

    /// MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1.
    private static func allows(_ code: ReasonCode, _ type: PacketType) -> Bool {
        switch code {
        case .success: true
        case .noMatchingSubscribers, .unspecifiedError, .implementationSpecificError, .notAuthorized, .topicNameInvalid,
            .packetIdentifierInUse, .quotaExceeded, .payloadFormatInvalid:
            type == .puback || type == .pubrec
        case .packetIdentifierNotFound: type == .pubrel || type == .pubcomp
        default: false
        }
    }
}

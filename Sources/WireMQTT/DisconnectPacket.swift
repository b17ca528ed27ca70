import Exchanges

/// A DISCONNECT packet of a client (MQTT 5.0 section 3.14).
public struct DisconnectPacket: Sendable, BitwiseCopyable {
    public var reason: ReasonCode
    /// Seconds; nil = as at CONNECT. Where CONNECT said 0, anything else is a protocol error (section 3.14.2.2.2), which the
    /// connection has to see.
    public var sessionExpiry: UInt32?

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        var cursor = try PacketCursor(frame, version: version)
        reason = .success
        sessionExpiry = nil
        if version == .v311 { try cursor.expectEnd() }
        guard !cursor.isAtEnd else { return }
        guard let code = ReasonCode(rawValue: try cursor.byte(bytes)), Self.isClients(code) else {
            throw MQTTFault(.protocolError, "a DISCONNECT with a reason that clients do not have")
        }
        reason = code
        guard !cursor.isAtEnd else { return }
        var reader = PropertyReader(try cursor.block(bytes), allowed: Self.allowed, serverOnly: Self.serverOnly)
        while let field = try reader.next(bytes) {
            if field.property == .sessionExpiry { sessionExpiry = field.number }
        }
        try cursor.expectEnd()
    }

    private static let allowed = Property.Set(.sessionExpiry, .reasonString, .user)
    private static let serverOnly = Property.Set(.serverReference)

    /// MQTT-3.14.2-1: the reasons of section 3.14.2.1 that a client may send.
    private static func isClients(_ code: ReasonCode) -> Bool {
        switch code {
        case .success, .disconnectWithWill, .unspecifiedError, .malformedPacket, .protocolError, .implementationSpecificError,
            .topicNameInvalid, .receiveMaximumExceeded, .topicAliasInvalid, .packetTooLarge, .messageRateTooHigh,
            .quotaExceeded, .administrativeAction, .payloadFormatInvalid:
            true
        default: false
        }
    }
}

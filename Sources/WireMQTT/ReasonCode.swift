/// Why a packet is answered as it is (MQTT 5.0 section 2.4). One number may mean different things in different
/// packets; the names are those of its commonest use.
public enum ReasonCode: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Also: normal disconnection, granted QoS 0.
    case success = 0x00
    case grantedQoS1 = 0x01
    case grantedQoS2 = 0x02
    case disconnectWithWill = 0x04
    case noMatchingSubscribers = 0x10
    case noSubscriptionExisted = 0x11
    case continueAuthentication = 0x18
    case reAuthenticate = 0x19
    case unspecifiedError = 0x80
    case malformedPacket = 0x81
    case protocolError = 0x82
    case implementationSpecificError = 0x83
    case unsupportedProtocolVersion = 0x84
    case clientIdentifierNotValid = 0x85
    case badUserNameOrPassword = 0x86
    case notAuthorized = 0x87
    case serverUnavailable = 0x88
    case serverBusy = 0x89
    case banned = 0x8A
    case serverShuttingDown = 0x8B
    case badAuthenticationMethod = 0x8C
    case keepAliveTimeout = 0x8D
    case sessionTakenOver = 0x8E
    case topicFilterInvalid = 0x8F
    case topicNameInvalid = 0x90
    case packetIdentifierInUse = 0x91
    case packetIdentifierNotFound = 0x92
    case receiveMaximumExceeded = 0x93
    case topicAliasInvalid = 0x94
    case packetTooLarge = 0x95
    case messageRateTooHigh = 0x96
    case quotaExceeded = 0x97
    case administrativeAction = 0x98
    case payloadFormatInvalid = 0x99
    case retainNotSupported = 0x9A
    case qosNotSupported = 0x9B
    case useAnotherServer = 0x9C
    case serverMoved = 0x9D
    case sharedSubscriptionsNotSupported = 0x9E
    case connectionRateExceeded = 0x9F
    case maximumConnectTime = 0xA0
    case subscriptionIdentifiersNotSupported = 0xA1
    case wildcardSubscriptionsNotSupported = 0xA2

    /// What it refers to was not done.
    @inlinable public var isError: Bool { rawValue >= 0x80 }

    /// The return code of a CONNACK of MQTT 3.1.1 (section 3.2.2.3) that comes nearest: what another attempt may mend is
    /// "server unavailable", what it will not is "not authorized".
    var connectReturnCode: UInt8 {
        switch self {
        case _ where !isError: 0
        case .unsupportedProtocolVersion: 1
        case .clientIdentifierNotValid: 2
        case .badUserNameOrPassword: 4
        case .unspecifiedError, .implementationSpecificError, .serverUnavailable, .serverBusy, .serverShuttingDown,
            .messageRateTooHigh, .quotaExceeded, .useAnotherServer, .serverMoved, .connectionRateExceeded:
            3
        default: 5
        }
    }
}

/// A packet that breaks the protocol: the connection ends with this reason.
public struct MQTTFault: Error, Sendable, Equatable {
    public var reason: ReasonCode
    /// For logs, and for the reason string of MQTT 5.
    public var detail: StaticString

    public init(_ reason: ReasonCode, _ detail: StaticString) {
        self.reason = reason
        self.detail = detail
    }

    public static func == (one: MQTTFault, other: MQTTFault) -> Bool { one.reason == other.reason }
}

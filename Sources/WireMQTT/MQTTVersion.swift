/// A version of MQTT, by the number in CONNECT (MQTT 5.0 section 3.1.2.2).
public enum MQTTVersion: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case v311 = 4
    case v5 = 5
}

/// How often a message may come (section 4.3).
public enum QoS: UInt8, Sendable, BitwiseCopyable, CaseIterable, Comparable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2

    @inlinable public static func < (one: QoS, other: QoS) -> Bool { one.rawValue < other.rawValue }
}

/// What a packet is (section 2.1.2).
public enum PacketType: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case connect = 1, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback, unsubscribe, unsuback
    case pingreq, pingresp, disconnect, auth
}

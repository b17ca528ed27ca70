public import Exchanges

/// Writes packets. MQTT 3.1.1's forms leave out what it does not know; reasons become its return codes.
///
/// Whether a packet is one its client takes (Maximum Packet Size, Request Problem Information) is for the caller to see.
public enum PacketWriter {
    /// Bytes of a whole packet, at most: the protocol has no numbers for more.
    public static let largest = 5 + VariableInteger.largest
    /// Bytes of a reason string, at most: longer ones are cut.
    public static let longestReason = 1024

    /// A CONNECT of no version that is known is answered in the form of 3.1.1, which such clients are likeliest to know.
    public static func connack(_ answer: ConnectAnswer, version: MQTTVersion, into out: Buffer) {
        // MQTT-3.2.2-6; MQTT 3.1.1: MQTT-3.2.2-4.
        let flags: UInt8 = answer.sessionPresent && !answer.reason.isError ? 1 : 0
        guard version == .v5 else {
            out.append(0x20)
            out.append(2)
            out.append(flags)
            return out.append(answer.reason.connectReturnCode)
        }
        let reason = Reason(answer.reasonString.span)
        let properties = connackPropertyCount(answer) + reason.propertyCount
        begin(0x20, 2 + VariableInteger.count(properties) + properties, out)
        out.append(flags)
        out.append(answer.reason.rawValue)
        VariableInteger.append(properties, to: out)
        appendConnackProperties(answer, to: out)
        reason.append(answer.reasonString.span, to: out)
    }

    private static func connackPropertyCount(_ answer: ConnectAnswer) -> Int {
        (answer.sessionExpiry == nil ? 0 : 5) + (answer.receiveMaximum == .max ? 0 : 3)
            + (answer.maximumQoS == .exactlyOnce ? 0 : 2) + (answer.retainAvailable ? 0 : 2)
            + (answer.maximumPacketSize == nil ? 0 : 5)
            + (answer.assignedClientID.isEmpty ? 0 : 3 + answer.assignedClientID.count)
            + (answer.topicAliasMaximum == 0 ? 0 : 3) + (answer.serverKeepAlive == nil ? 0 : 3)
            + (answer.serverReference.isEmpty ? 0 : 3 + answer.serverReference.count)
    }

    private static func appendConnackProperties(_ answer: ConnectAnswer, to out: Buffer) {
        if let seconds = answer.sessionExpiry {
            out.append(Property.sessionExpiry.rawValue)
            append(seconds, to: out)
        }
        if answer.receiveMaximum != .max {
            out.append(Property.receiveMaximum.rawValue)
            append(answer.receiveMaximum, to: out)
        }
        if answer.maximumQoS != .exactlyOnce {
            out.append(Property.maximumQoS.rawValue)
            out.append(answer.maximumQoS.rawValue)
        }
        if !answer.retainAvailable {
            out.append(Property.retainAvailable.rawValue)
            out.append(0)
        }
        if let bytes = answer.maximumPacketSize {
            out.append(Property.maximumPacketSize.rawValue)
            append(bytes, to: out)
        }
        if !answer.assignedClientID.isEmpty {
            out.append(Property.assignedClientID.rawValue)
            append(sized: answer.assignedClientID.span, to: out)
        }
        if answer.topicAliasMaximum != 0 {
            out.append(Property.topicAliasMaximum.rawValue)
            append(answer.topicAliasMaximum, to: out)
        }
        if let seconds = answer.serverKeepAlive {
            out.append(Property.serverKeepAlive.rawValue)
            append(seconds, to: out)
        }
        append(reference: answer.serverReference.span, to: out)
    }

    /// - Returns: bytes the packet would have, so that the client's maximum packet size can be kept, and `largest`.
    public static func count(of publish: OutgoingPublish, version: MQTTVersion) -> Int {
        let body = bodyCount(publish, version)
        return 1 + VariableInteger.count(body) + body
    }

    /// Traps when the topic or the whole packet is longer than the protocol has numbers for.
    public static func publish(_ publish: OutgoingPublish, version: MQTTVersion, into out: Buffer) {
        let body = bodyCount(publish, version)
        out.reserve(5 + body)
        let flags = (publish.dup ? 8 : 0) | publish.qos.rawValue << 1 | (publish.retain ? 1 : 0)
        begin(0x30 | flags, body, out)
        append(sized: publish.topic.span, to: out)
        if publish.qos != .atMostOnce { append(publish.packetID, to: out) }
        if version == .v5 {
            VariableInteger.append(propertyCount(publish), to: out)
            if let seconds = publish.messageExpiry {
                out.append(Property.messageExpiry.rawValue)
                append(seconds, to: out)
            }
            if publish.topicAlias != 0 {
                out.append(Property.topicAlias.rawValue)
                append(publish.topicAlias, to: out)
            }
            for identifier in publish.subscriptionIdentifiers {
                out.append(Property.subscriptionIdentifier.rawValue)
                VariableInteger.append(Int(identifier), to: out)
            }
            out.append(publish.properties)
        }
        out.append(publish.payload)
    }

    private static func bodyCount(_ publish: OutgoingPublish, _ version: MQTTVersion) -> Int {
        let head = 2 + publish.topic.count + (publish.qos == .atMostOnce ? 0 : 2)
        guard version == .v5 else { return head + publish.payload.count }
        let properties = propertyCount(publish)
        return head + VariableInteger.count(properties) + properties + publish.payload.count
    }

    private static func propertyCount(_ publish: OutgoingPublish) -> Int {
        var count = publish.properties.count + (publish.messageExpiry == nil ? 0 : 5) + (publish.topicAlias == 0 ? 0 : 3)
        for identifier in publish.subscriptionIdentifiers { count += 1 + VariableInteger.count(Int(identifier)) }
        return count
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP, in the shortest form that says it all. MQTT 3.1.1 has no place for reason and text.
    /// - Parameter text: the reason string; empty = none. Cut at `longestReason`; left out when MQTT cannot carry it.
    public static func acknowledgement(
        _ type: PacketType, _ packetID: UInt16, _ reason: ReasonCode, text: borrowing Span<UInt8>, version: MQTTVersion,
        into out: Buffer
    ) {
        let first = type.rawValue << 4 | (type == .pubrel ? 0b0010 : 0)
        let string = version == .v5 ? Reason(text) : Reason()
        if version == .v311 || (reason == .success && string.isEmpty) {
            out.append(first)
            out.append(2)
            return append(packetID, to: out)
        }
        let properties = string.propertyCount
        begin(first, 3 + (string.isEmpty ? 0 : VariableInteger.count(properties) + properties), out)
        append(packetID, to: out)
        out.append(reason.rawValue)
        guard !string.isEmpty else { return }
        VariableInteger.append(properties, to: out)
        string.append(text, to: out)
    }

    /// One reason for each line of the SUBSCRIBE. MQTT 3.1.1 knows one error, 0x80 (MQTT-3.9.3-2).
    public static func suback(_ packetID: UInt16, _ reasons: [ReasonCode], version: MQTTVersion, into out: Buffer) {
        begin(0x90, (version == .v5 ? 3 : 2) + reasons.count, out)
        append(packetID, to: out)
        if version == .v5 { out.append(0) }
        for reason in reasons { out.append(version == .v311 && reason.isError ? 0x80 : reason.rawValue) }
    }

    /// One reason for each filter of the UNSUBSCRIBE. MQTT 3.1.1 has no reasons here.
    public static func unsuback(_ packetID: UInt16, _ reasons: [ReasonCode], version: MQTTVersion, into out: Buffer) {
        begin(0xb0, version == .v5 ? 3 + reasons.count : 2, out)
        append(packetID, to: out)
        guard version == .v5 else { return }
        out.append(0)
        for reason in reasons { out.append(reason.rawValue) }
    }

    public static func pingresp(into out: Buffer) {
        out.append(0xd0)
        out.append(0)
    }

    /// Only MQTT 5 servers may send it.
    /// - Parameters:
    ///   - text: as of `acknowledgement`.
    ///   - reference: where to go on (section 4.11); empty = nothing is said.
    public static func disconnect(
        _ reason: ReasonCode, text: borrowing Span<UInt8>, reference: borrowing Span<UInt8> = Span(), into out: Buffer
    ) {
        let string = Reason(text)
        let properties = string.propertyCount + (reference.isEmpty ? 0 : 3 + reference.count)
        begin(0xe0, properties == 0 ? 1 : 1 + VariableInteger.count(properties) + properties, out)
        out.append(reason.rawValue)
        guard properties > 0 else { return }
        VariableInteger.append(properties, to: out)
        append(reference: reference, to: out)
        string.append(text, to: out)
    }

    // MARK: - Parts

    /// How much of a reason string is sent.
    private struct Reason {
        var count = 0
        var isEmpty: Bool { count == 0 }
        /// Bytes of the property.
        var propertyCount: Int { count == 0 ? 0 : 3 + count }

        init() {}
        init(_ text: borrowing Span<UInt8>) {
            let most = UTF8Text.cut(text, most: PacketWriter.longestReason)
            if UTF8Text.isValid(text.extracting(first: most)) { count = most }
        }

        func append(_ text: borrowing Span<UInt8>, to out: Buffer) {
            guard count > 0 else { return }
            out.append(Property.reasonString.rawValue)
            PacketWriter.append(sized: text.extracting(first: count), to: out)
        }
    }

    private static func append(reference: borrowing Span<UInt8>, to out: Buffer) {
        guard !reference.isEmpty else { return }
        out.append(Property.serverReference.rawValue)
        append(sized: reference, to: out)
    }

    private static func begin(_ first: UInt8, _ body: Int, _ out: Buffer) {
        out.append(first)
        VariableInteger.append(body, to: out)
    }

    private static func append(_ value: UInt16, to out: Buffer) {
        out.append(UInt8(truncatingIfNeeded: value >> 8))
        out.append(UInt8(truncatingIfNeeded: value))
    }

    private static func append(_ value: UInt32, to out: Buffer) {
        append(UInt16(truncatingIfNeeded: value >> 16), to: out)
        append(UInt16(truncatingIfNeeded: value), to: out)
    }

    private static func append(sized bytes: borrowing Span<UInt8>, to out: Buffer) {
        precondition(bytes.count <= UTF8Text.longest, "a text is longer than the protocol has numbers for")
        append(UInt16(truncatingIfNeeded: bytes.count), to: out)
        out.append(bytes)
    }
}

import Exchanges
import WireMQTT

// Packets as clients write them, part by part; nothing here looks at what it writes.

/// A packet from its first byte, with the remaining length that its parts have.
func packet(_ first: UInt8, _ parts: [UInt8]...) -> [UInt8] {
    let body = parts.flatMap { $0 }
    return [first] + variable(body.count) + body
}

func variable(_ value: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    repeat {
        bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
        rest >>= 7
    } while rest > 0
    return bytes
}

func u16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
func u32(_ value: UInt32) -> [UInt8] { u16(Int(value >> 16)) + u16(Int(value & 0xffff)) }
func sized(_ bytes: [UInt8]) -> [UInt8] { u16(bytes.count) + bytes }
func text(_ text: String) -> [UInt8] { sized(Array(text.utf8)) }
/// A properties block with its length.
func block(_ properties: [UInt8]...) -> [UInt8] {
    let all = properties.flatMap { $0 }
    return variable(all.count) + all
}
func user(_ name: String, _ value: String) -> [UInt8] { [0x26] + text(name) + text(value) }

/// The variable header of a CONNECT up to the keep alive.
func connectHead(_ version: MQTTVersion, flags: UInt8, keepAlive: Int = 60) -> [UInt8] {
    text("MQTT") + [version.rawValue, flags] + u16(keepAlive)
}

/// The packet's frame; nil when there is none.
func frame(_ bytes: [UInt8], maximum: Int = 1 << 20) -> FrameReader.Frame? {
    guard case .frame(let frame) = FrameReader(maximum: maximum).next(bytes.span, at: 0) else { return nil }
    return frame
}

/// Why a whole packet is refused; nil = it is not.
func refusal(_ bytes: [UInt8], _ version: MQTTVersion = .v5) -> ReasonCode? {
    switch FrameReader(maximum: 1 << 20).next(bytes.span, at: 0) {
    case .needMore: return .unspecifiedError
    case .failed(let reason, _): return reason
    case .frame(let frame):
        do throws(MQTTFault) {
            try read(bytes.span, frame, version)
            return nil
        } catch { return error.reason }
    }
}

/// Takes a packet of any type apart.
func read(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, _ version: MQTTVersion) throws(MQTTFault) {
    switch frame.type {
    case .connect: _ = try ConnectPacket(bytes, frame)
    case .publish: _ = try PublishPacket(bytes, frame, version: version)
    case .puback, .pubrec, .pubrel, .pubcomp: _ = try AcknowledgementPacket(bytes, frame, version: version)
    case .subscribe: _ = try SubscribePacket(bytes, frame, version: version, most: 64)
    case .unsubscribe: _ = try UnsubscribePacket(bytes, frame, version: version, most: 64)
    case .disconnect: _ = try DisconnectPacket(bytes, frame, version: version)
    default: break
    }
}

/// What a writer wrote.
func written(_ write: (Buffer) -> Void) -> [UInt8] {
    let out = Buffer(capacity: 16)
    write(out)
    return out.copyReadable()
}

extension [UInt8] {
    /// The characters at a place.
    func string(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }

    func isFilter(levels: Int = 32) -> Bool { TopicFilter(span, mostLevels: levels) != nil }
    func isTopicName(levels: Int) -> Bool { TopicName.isValid(span, mostLevels: levels) }
}

func topicFilter(_ text: String) -> TopicFilter? { TopicFilter(Array(text.utf8).span, mostLevels: 32) }

extension TopicFilter {
    func takes(_ topic: String) -> Bool { matches(Array(topic.utf8).span) }
}

/// What goes on to subscribers.
func forwarded(_ properties: [UInt8], _ range: Range<Int>? = nil) -> [UInt8] {
    PublishProperties.forwarded(range ?? 0..<properties.count, in: properties.span)
}

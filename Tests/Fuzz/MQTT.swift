import Exchanges
import WireMQTT

/// Packets of a hostile client: nothing traps, nothing outside a packet is looked at, cuts do not matter, and what is written again
/// can be read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let all = UnsafeBufferPointer(start: start, count: count).span
    let version: MQTTVersion = all[0] & 1 == 0 ? .v311 : .v5
    let input = all.extracting(1..<count)
    topics(input)
    let reader = FrameReader(maximum: all[0] & 2 == 0 ? 1 << 20 : 64)
    var at = 0
    packets: while true {
        let progress = reader.next(input, at: at)
        cuts(input, at, progress, reader)
        switch progress {
        case .frame(let frame):
            precondition(frame.body.upperBound == at + frame.count && frame.count >= 2 && frame.count <= reader.maximum)
            let seen = Seen(input, frame, version)
            precondition(seen == alone(input, frame, at, version), "what follows a packet changes it")
            at += frame.count
        case .needMore(let least):
            precondition(least > input.count - at)
            break packets
        case .failed(let reason, _):
            precondition(reason.isError)
            break packets
        }
    }
    return 0
}

/// A packet with fewer bytes known is not another one.
private func cuts(_ input: borrowing Span<UInt8>, _ at: Int, _ progress: FrameReader.Progress, _ reader: FrameReader) {
    for known in 0..<min(8, input.count - at) {
        switch reader.next(input.extracting(0..<at + known), at: at) {
        case .needMore(let least): precondition(least > known)
        case .failed(let early, _):
            guard case .failed(let late, _) = progress, late == early else { preconditionFailure("a cut packet is refused, a whole one is not") }
        case .frame(let frame):
            guard case .frame(let whole) = progress, whole.body == frame.body else { preconditionFailure("a cut packet is another one") }
        }
    }
}

/// The packet by itself, in memory that ends with it: a read past its end is an error of the address sanitizer's.
private func alone(_ input: borrowing Span<UInt8>, _ frame: FrameReader.Frame, _ at: Int, _ version: MQTTVersion) -> Seen {
    let bytes = Array(input.extracting(at..<at + frame.count).bytes)
    var moved = frame
    moved.body = frame.body.lowerBound - at..<frame.body.upperBound - at
    return Seen(bytes.span, moved, version)
}

/// What a reader found.
private struct Seen: Equatable {
    var reason: ReasonCode?
    var parts: [[UInt8]] = []
    var numbers: [UInt64] = []

    init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, _ version: MQTTVersion) {
        do throws(MQTTFault) { try read(bytes, frame, version) } catch {
            precondition(error.reason.isError)
            reason = error.reason
        }
    }

    private mutating func add(_ bytes: borrowing Span<UInt8>, _ ranges: Range<Int>?..., of frame: FrameReader.Frame) {
        for case let range? in ranges {
            precondition(range == 0..<0 || range.lowerBound >= frame.body.lowerBound && range.upperBound <= frame.body.upperBound)
            parts.append(bytes.extracting(range).bytes)
        }
    }

    private mutating func read(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, _ version: MQTTVersion) throws(MQTTFault) {
        switch frame.type {
        case .connect:
            if let known = ConnectPacket.version(bytes, frame) { numbers.append(UInt64(known.rawValue)) }
            let packet = try ConnectPacket(bytes, frame)
            add(bytes, packet.clientID, packet.username, packet.password, packet.authenticationMethod, packet.properties, of: frame)
            add(bytes, packet.will?.topic, packet.will?.payload, packet.will?.properties, of: frame)
            numbers += [UInt64(packet.sessionExpiry), UInt64(packet.receiveMaximum), UInt64(packet.maximumPacketSize)]
            precondition(packet.receiveMaximum > 0 && packet.maximumPacketSize > 0)
            properties(bytes, packet.properties)
            if let will = packet.will { properties(bytes, will.properties) }
        case .publish:
            let packet = try PublishPacket(bytes, frame, version: version)
            add(bytes, packet.topic, packet.payload, packet.properties, of: frame)
            numbers += [UInt64(packet.packetID), UInt64(packet.topicAlias)]
            precondition((packet.packetID == 0) == (packet.qos == .atMostOnce))
            precondition(packet.topicAlias != 0 || TopicName.isValid(bytes.extracting(packet.topic), mostLevels: .max))
            properties(bytes, packet.properties)
            again(bytes, packet, version)
        case .puback, .pubrec, .pubrel, .pubcomp:
            let packet = try AcknowledgementPacket(bytes, frame, version: version)
            numbers += [UInt64(packet.packetID), UInt64(packet.reason.rawValue)]
            precondition(packet.packetID != 0)
        case .subscribe:
            let packet = try SubscribePacket(bytes, frame, version: version, most: 16)
            precondition(!packet.requests.isEmpty && packet.requests.count <= 16)
            for request in packet.requests { add(bytes, request.filter, of: frame) }
        case .unsubscribe:
            let packet = try UnsubscribePacket(bytes, frame, version: version, most: 16)
            precondition(!packet.filters.isEmpty && packet.filters.count <= 16)
            for filter in packet.filters { add(bytes, filter, of: frame) }
        case .disconnect:
            let packet = try DisconnectPacket(bytes, frame, version: version)
            numbers += [UInt64(packet.reason.rawValue), UInt64(packet.sessionExpiry ?? 0)]
        default: break
        }
    }

    private mutating func properties(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
        var pairs = UserProperties(range)
        while let (name, value) = pairs.next(bytes) {
            parts.append(bytes.extracting(name).bytes)
            parts.append(bytes.extracting(value).bytes)
        }
        let kept = PublishProperties.forwarded(range, in: bytes)
        precondition(kept.count <= range.count)
        precondition(PublishProperties.forwarded(0..<kept.count, in: kept.span) == kept, "what goes on goes on as it is")
        parts.append(kept)
        _ = PublishProperties.contentType(range, in: bytes)
        _ = PublishProperties.saysText(range, in: bytes)
    }

    /// A subscriber gets what the publisher sent.
    private func again(_ bytes: borrowing Span<UInt8>, _ packet: PublishPacket, _ version: MQTTVersion) {
        let sent = OutgoingPublish(
            topic: packet.topic.isEmpty ? [0x61] : bytes.extracting(packet.topic).bytes, payload: bytes.extracting(packet.payload).bytes,
            qos: packet.qos, dup: packet.dup, retain: packet.retain, packetID: packet.packetID,
            properties: PublishProperties.forwarded(packet.properties, in: bytes), messageExpiry: packet.messageExpiry)
        for form in MQTTVersion.allCases {
            let out = Buffer(capacity: 64)
            PacketWriter.publish(sent, version: form, into: out)
            precondition(out.count == PacketWriter.count(of: sent, version: form))
            let written = out.copyReadable()
            guard case .frame(let frame) = FrameReader(maximum: .max).next(written.span, at: 0), frame.count == written.count,
                let read = try? PublishPacket(written.span, frame, version: form)
            else { preconditionFailure("what is written cannot be read") }
            precondition(read.packetID == packet.packetID && Array(written[read.payload]) == sent.payload)
        }
    }
}

private func topics(_ input: borrowing Span<UInt8>) {
    let cut = input.count / 2
    let name = input.extracting(0..<cut)
    guard let filter = TopicFilter(input.extracting(cut...), mostLevels: 16) else { return }
    precondition(filter.levels.count <= 16 && !filter.text.isEmpty)
    let isTaken = filter.matches(name)
    // The same by levels.
    guard TopicName.isValid(name, mostLevels: .max) else { return }
    precondition(isTaken == matches(filter.levels, name.bytes))
}

private func matches(_ filter: [ArraySlice<UInt8>], _ name: [UInt8]) -> Bool {
    let levels = name.split(separator: 0x2f, omittingEmptySubsequences: false)
    if name[0] == 0x24, filter[0] == [0x2b] || filter[0] == [0x23] { return false }
    for (i, level) in filter.enumerated() {
        if level == [0x23] { return levels.count >= i }
        guard i < levels.count, level == [0x2b] || level == levels[i] else { return false }
    }
    return filter.count == levels.count
}

import Seeded
import WireMQTT

/// Draws packets that are valid for their version, and says what a reader has to find in them.
struct PacketGenerator {
    var random: Seeded
    var version: MQTTVersion

    init(seed: UInt64, version: MQTTVersion) {
        random = Seeded(state: seed)
        self.version = version
    }

    /// - Returns: the bytes, and the reader's account of them (`account`).
    mutating func next() -> (bytes: [UInt8], account: String) {
        switch random.count(0...6) {
        case 0: connect()
        case 1, 2: publish()
        case 3: acknowledgement()
        case 4: subscribe()
        case 5: unsubscribe()
        default: disconnect()
        }
    }

    private mutating func connect() -> (bytes: [UInt8], account: String) {
        let clean = random.chance(2)
        let will = random.chance(2)
        let qos = will ? random.count(0...2) : 0
        let retain = will && random.chance(2)
        let username = random.chance(2) ? string(0...20) : nil
        let password = (version == .v5 || username != nil) && random.chance(2) ? data(0...20) : nil
        let id = string((version == .v311 && !clean ? 1 : 0)...23)
        let keepAlive = random.count(0...65_535)
        var flags = UInt8(clean ? 2 : 0) | UInt8(will ? 4 : 0) | UInt8(qos << 3) | UInt8(retain ? 0x20 : 0)
        flags |= UInt8(password == nil ? 0 : 0x40) | UInt8(username == nil ? 0 : 0x80)
        var account = "connect \(version) \(clean) \(keepAlive) [\(id)] \(username.map { "[\($0)]" } ?? "-")"
        account += " \(password.map { "\($0)" } ?? "-")"
        var body = connectHead(version, flags: flags, keepAlive: keepAlive)
        if version == .v5 {
            let expiry = random.chance(2) ? random.count(0...9999) : nil
            let maximum = random.chance(2) ? random.count(1...65_535) : nil
            var parts: [[UInt8]] = users()
            if let expiry { parts.append([0x11] + u32(UInt32(expiry))) }
            if let maximum { parts.append([0x21] + u16(maximum)) }
            parts.shuffle(using: &random)
            body += block(parts.flatMap { $0 })
            account += " \(expiry ?? 0) \(maximum ?? 65_535)"
        } else {
            account += " \(clean ? 0 : UInt32.max) 65535"
        }
        body += text(id)
        if will {
            let delay = version == .v5 && random.chance(2) ? random.count(0...9999) : nil
            if version == .v5 { body += block(delay.map { [0x18] + u32(UInt32($0)) } ?? [], users().flatMap { $0 }) }
            let topic = name(levels: 1...4)
            let payload = data(0...40)
            body += text(topic) + sized(payload)
            account += " will [\(topic)] \(payload) \(qos) \(retain) \(delay ?? 0)"
        }
        if let username { body += text(username) }
        if let password { body += sized(password) }
        return (packet(0x10, body), account)
    }

    private mutating func publish() -> (bytes: [UInt8], account: String) {
        let qos = random.count(0...2)
        let dup = qos > 0 && random.chance(2)
        let retain = random.chance(2)
        let alias = version == .v5 && random.chance(3) ? random.count(1...65_535) : 0
        let topic = alias > 0 && random.chance(2) ? "" : name(levels: 1...6)
        let id = qos > 0 ? random.count(1...65_535) : 0
        let payload = data(0...60)
        var body = text(topic) + (qos > 0 ? u16(id) : [])
        var expiry: UInt32?
        if version == .v5 {
            expiry = random.chance(2) ? UInt32.random(in: 0...UInt32.max, using: &random) : nil
            var parts = users()
            if let expiry { parts.append([0x02] + u32(expiry)) }
            if alias > 0 { parts.append([0x23] + u16(alias)) }
            if random.chance(2) { parts.append([0x03] + text(string(0...10))) }
            if random.chance(2) { parts.append([0x08] + text(name(levels: 1...3))) }
            if random.chance(2) { parts.append([0x09] + sized(data(0...10))) }
            if random.chance(2) { parts.append([0x01, UInt8(random.count(0...1))]) }
            parts.shuffle(using: &random)
            body += block(parts.flatMap { $0 })
        }
        let flags = UInt8(dup ? 8 : 0) | UInt8(qos << 1) | UInt8(retain ? 1 : 0)
        let account = "publish \(qos) \(dup) \(retain) [\(topic)] \(id) \(alias) \(expiry.map { "\($0)" } ?? "-") \(payload)"
        return (packet(0x30 | flags, body, payload), account)
    }

    private mutating func acknowledgement() -> (bytes: [UInt8], account: String) {
        let (first, reasons) = random.pick(
            [
                (0x40, [.success, .quotaExceeded, .noMatchingSubscribers]), (0x50, [.success, .notAuthorized]),
                (0x62, [.success, .packetIdentifierNotFound]), (0x70, [.success, .packetIdentifierNotFound]),
            ] as [(UInt8, [ReasonCode])])
        let id = random.count(1...65_535)
        let reason = version == .v5 && random.chance(2) ? random.pick(reasons) : nil
        var body = u16(id)
        if let reason {
            body.append(reason.rawValue)
            if random.chance(2) { body += block([0x1f] + text(string(0...30)), users().flatMap { $0 }) }
        }
        return (packet(first, body), "acknowledgement \(id) \(reason ?? .success)")
    }

    private mutating func subscribe() -> (bytes: [UInt8], account: String) {
        let id = random.count(1...65_535)
        let identifier = version == .v5 && random.chance(2) ? random.count(1...268_435_455) : 0
        var body = u16(id)
        if version == .v5 {
            body += block(users().flatMap { $0 }, identifier > 0 ? [0x0b] + variable(identifier) : [])
        }
        var account = "subscribe \(id) \(identifier)"
        for _ in 0..<random.count(1...6) {
            let filter = string(0...30)
            let qos = random.count(0...2)
            let more = version == .v5 ? random.pick([0, 0b0100, 0b1000, 0b1100, 0x10, 0x20]) : 0
            body += text(filter) + [UInt8(qos | more)]
            account += " [\(filter)] \(qos | more)"
        }
        return (packet(0x82, body), account)
    }

    private mutating func unsubscribe() -> (bytes: [UInt8], account: String) {
        let id = random.count(1...65_535)
        var body = u16(id)
        if version == .v5 { body += block(users().flatMap { $0 }) }
        var account = "unsubscribe \(id)"
        for _ in 0..<random.count(1...6) {
            let filter = string(0...30)
            body += text(filter)
            account += " [\(filter)]"
        }
        return (packet(0xa2, body), account)
    }

    private mutating func disconnect() -> (bytes: [UInt8], account: String) {
        guard version == .v5, random.chance(2) else { return (packet(0xe0), "disconnect success -") }
        let reason = random.pick([ReasonCode.success, .disconnectWithWill, .unspecifiedError])
        guard random.chance(2) else { return (packet(0xe0, [reason.rawValue]), "disconnect \(reason) -") }
        let expiry = random.count(0...99)
        return (packet(0xe0, [reason.rawValue], block(users().flatMap { $0 }, [0x11] + u32(UInt32(expiry)))), "disconnect \(reason) \(expiry)")
    }

    private mutating func users() -> [[UInt8]] {
        (0..<random.count(0...3)).map { _ in user(string(0...8), string(0...8)) }
    }

    private mutating func data(_ count: ClosedRange<Int>) -> [UInt8] {
        (0..<random.count(count)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Characters of one to four bytes, wildcards among them.
    private mutating func string(_ count: ClosedRange<Int>) -> String {
        let characters: [Character] = ["a", "Z", "0", "/", "+", "#", " ", "\u{1}", "é", "\u{ffff}", "漢", "\u{10ffff}"]
        return String((0..<random.count(count)).map { _ in random.pick(characters) })
    }

    private mutating func name(levels: ClosedRange<Int>) -> String {
        (0..<random.count(levels)).map { _ in random.pick(["a", "device", "ü", "", "$x", "1234567890"]) }.joined(separator: "/") + "z"
    }
}

/// What a packet's reader finds, in words; traps when it points outside the packet's body.
func account(_ bytes: [UInt8], _ frame: FrameReader.Frame, _ version: MQTTVersion) throws(MQTTFault) -> String {
    let span = bytes.span
    func inside(_ range: Range<Int>) -> Range<Int> {
        precondition(range == 0..<0 || (range.lowerBound >= frame.body.lowerBound && range.upperBound <= frame.body.upperBound))
        return range
    }
    func string(_ range: Range<Int>) -> String { "[\(String(decoding: bytes[inside(range)], as: UTF8.self))]" }
    func data(_ range: Range<Int>) -> String { "\(Array(bytes[inside(range)]))" }
    switch frame.type {
    case .connect:
        let packet = try ConnectPacket(span, frame)
        var text = "connect \(packet.version) \(packet.cleanStart) \(packet.keepAlive) \(string(packet.clientID))"
        text += " \(packet.username.map(string) ?? "-") \(packet.password.map(data) ?? "-") \(packet.sessionExpiry) \(packet.receiveMaximum)"
        if let will = packet.will {
            _ = inside(will.properties)
            text += " will \(string(will.topic)) \(data(will.payload)) \(will.qos.rawValue) \(will.retain) \(will.delay)"
        }
        _ = inside(packet.properties)
        return text
    case .publish:
        let packet = try PublishPacket(span, frame, version: version)
        let expiry = packet.messageExpiry.map { "\($0)" } ?? "-"
        let forwarded = PublishProperties.forwarded(inside(packet.properties), in: span)
        precondition(forwarded.count <= packet.properties.count)
        return "publish \(packet.qos.rawValue) \(packet.dup) \(packet.retain) \(string(packet.topic)) \(packet.packetID) \(packet.topicAlias) \(expiry) \(data(packet.payload))"
    case .puback, .pubrec, .pubrel, .pubcomp:
        let packet = try AcknowledgementPacket(span, frame, version: version)
        return "acknowledgement \(packet.packetID) \(packet.reason)"
    case .subscribe:
        let packet = try SubscribePacket(span, frame, version: version, most: 64)
        return packet.requests.reduce("subscribe \(packet.packetID) \(packet.identifier)") {
            let options = $1.options
            let byte = options.qos.rawValue | (options.noLocal ? 4 : 0) | (options.retainAsPublished ? 8 : 0) | options.retainHandling.rawValue << 4
            return $0 + " \(string($1.filter)) \(byte)"
        }
    case .unsubscribe:
        let packet = try UnsubscribePacket(span, frame, version: version, most: 64)
        return packet.filters.reduce("unsubscribe \(packet.packetID)") { $0 + " \(string($1))" }
    case .disconnect:
        let packet = try DisconnectPacket(span, frame, version: version)
        return "disconnect \(packet.reason) \(packet.sessionExpiry.map { "\($0)" } ?? "-")"
    default: return "\(frame.type)"
    }
}

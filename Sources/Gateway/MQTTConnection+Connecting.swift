import Exchanges
import Identity
import Pipeline
import Reactor
import Routes
import Settings
import Telemetry
import Topics
import WireMQTT

/// What a CONNECT said, until its session is there.
struct MQTTOpening {
    var version: MQTTVersion
    var clientID: [UInt8]
    /// The client gave none.
    var isAssigned: Bool
    var cleanStart: Bool
    /// Seconds.
    var keepAlive: UInt16
    var sessionExpiry: UInt32
    var receiveMaximum: UInt16
    var maximumPacketSize: UInt32
    var topicAliasMaximum: UInt16
    var wantsProblems: Bool
    var will: Will?
    /// The head of its exchange, and the text that it points into.
    var head: Head
    var text: Buffer
    /// It cannot be let in.
    var fault: MQTTFault?
}

/// CONNECT: an exchange through the pipeline, a session from the broker, CONNACK.
extension MQTTConnection {
    // MARK: - The packet

    func connect(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) -> MQTTOpening {
        takeVersion(bytes.extracting(frame.body))
        let packet = try ConnectPacket(bytes, frame)
        try checkUserProperties(packet.properties, bytes)
        // They are kept as long as its session.
        if let will = packet.will { try checkUserProperties(will.properties, bytes) }
        var opening = MQTTOpening(
            version: packet.version, clientID: bytes.extracting(packet.clientID).bytes, isAssigned: false,
            cleanStart: packet.cleanStart, keepAlive: packet.keepAlive, sessionExpiry: packet.sessionExpiry,
            receiveMaximum: packet.receiveMaximum, maximumPacketSize: packet.maximumPacketSize,
            topicAliasMaximum: packet.topicAliasMaximum, wantsProblems: packet.requestProblemInformation, head: Head(), text: Buffer(pool: worker.loop.buffers))
        if opening.clientID.isEmpty {
            opening.isAssigned = true
            opening.clientID = Self.assignedID()
            if packet.version == .v311 && !packet.cleanStart {
                opening.fault = MQTTFault(.clientIdentifierNotValid, "a session that is to last needs a client identifier")
            }
        }
        if packet.authenticationMethod != nil {
            opening.fault = MQTTFault(.badAuthenticationMethod, "there is no enhanced authentication here")
        }
        write(packet, bytes, into: &opening)
        if let will = packet.will { takeWill(will, bytes, into: &opening) }
        return opening
    }

    /// The version of a CONNECT that may turn out not to be one, so that its sender can be told.
    private func takeVersion(_ body: borrowing Span<UInt8>) {
        guard body.count > 6, body.extracting(0..<6).equals("\u{0}\u{4}MQTT") else { return }
        isVersionKnown = true
        // Who speaks none that is known is told so in the form of the older one.
        version = MQTTVersion(rawValue: body[6]) ?? .v311
    }

    /// 128 bits of the system's random source.
    private static func assignedID() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let id = Buffer(capacity: 40)
        id.append("auto-" as StaticString)
        id.append(hex: random.next(), digits: 16)
        id.append(hex: random.next(), digits: 16)
        return id.copyReadable()
    }

    /// The head of CONNECT's exchange: what stays of it for the connection's life comes first.
    private func write(_ packet: ConnectPacket, _ bytes: borrowing Span<UInt8>, into opening: inout MQTTOpening) {
        let text = opening.text
        text.append("CONNECT " as StaticString)
        opening.head.verb = .connect
        opening.head.dialect = .mqtt
        opening.head.method = Slice(0, 7)
        guard opening.clientID.count <= MQTTFields.longestTopic else {
            opening.fault = MQTTFault(.clientIdentifierNotValid, "the client identifier is too long")
            return
        }
        TopicPath.append(opening.clientID.span, isFilter: false, into: text)
        opening.head.path = Slice(8, text.count)
        opening.head.target = opening.head.path
        // The password is a token; the user name is not looked at.
        if let password = packet.password, !password.isEmpty {
            let token = bytes.extracting(password)
            // Any bytes may be a password; where somebody looks at it, what is no token is a malformed one.
            let isText = token.indices.allSatisfy { token[$0] > 0x20 && token[$0] < 0x7f }
            let start = text.count
            text.append("authorization" as StaticString)
            let middle = text.count
            text.append("Bearer " as StaticString)
            if isText { text.append(token) }
            opening.head.fields.append(
                Field(name: .authorization, nameText: Slice(start, middle), value: Slice(middle, text.count)))
        }
        MQTTFields.append(userProperties: packet.properties, in: bytes, to: &opening.head, text)
    }

    private func takeWill(_ will: ConnectPacket.Will, _ bytes: borrowing Span<UInt8>, into opening: inout MQTTOpening) {
        let topic = bytes.extracting(will.topic)
        guard topic.count <= MQTTFields.longestTopic, TopicName.isValid(topic, mostLevels: grants.levels) else {
            opening.fault = MQTTFault(.topicNameInvalid, "the will's topic is none")
            return
        }
        let expires = will.messageExpiry.map { UInt64(max(0, WallClock.nowNS())) / 1_000_000 + UInt64($0) * 1000 }
        let message = Message(
            topic: topic.bytes, payload: bytes.extracting(will.payload).bytes, qos: will.qos, isRetained: will.retain,
            properties: will.properties.isEmpty ? [] : PublishProperties.forwarded(will.properties, in: bytes),
            expiresMS: expires ?? .max)
        opening.will = Will(message, delay: will.delay)
    }

    // MARK: - The pipeline

    func admit(_ opening: MQTTOpening) {
        version = opening.version
        wantsProblems = opening.wantsProblems
        clientID = opening.clientID
        phase = .admitting
        self.opening = opening
        self.opening?.text = Buffer(capacity: 1)
        self.opening?.head = Head()
        if let fault = opening.fault { return fail(fault) }
        if worker.isDraining { return refuseForDrain() }
        let exchange = worker.takeExchange(wire: self)
        self.exchange = exchange
        exchange.head = opening.head
        exchange.text = opening.text
        exchange.bytesIn = UInt64(opening.text.count)
        worker.admit(exchange, session: session, upgrade: false)
    }

    /// CONNECT's target is the broker.
    func attach() {
        guard phase == .admitting, let exchange, let opening else { return }
        principal = exchange.principal ?? .anonymous
        guard let will = opening.will else { return askForSession() }
        MQTTPermission(self) { [self] ending in
            // It may have taken too long.
            guard phase == .admitting, let exchange = self.exchange else { return }
            if let ending { refuse(ending, exchange, ending.publishReason) } else { askForSession() }
        }
        .begin(will: will.message.topic, bytes: will.message.payload.count)
    }

    private func askForSession() {
        guard phase == .admitting, let exchange, let opening else { return }
        var will = opening.will
        will?.standing = KeptSender.standing(of: principal, listener: port.share.settings.name)
        let request = Attach(
            ticket: exchange.ticket, clientID: clientID, owner: principal.owner(isNewSession: exchange.isNewSession),
            version: version, cleanStart: opening.cleanStart, sessionExpiry: opening.sessionExpiry,
            receiveMaximum: opening.receiveMaximum, will: will, judges: true)
        worker.requests.ask(.attach(request))
    }

    /// The session is there.
    func attached(_ attached: Attached) {
        guard phase == .admitting, let opening else { return }
        handle = attached.session
        incarnation = attached.incarnation
        // An earlier connection may have left some.
        hasMarks = attached.isPresent
        sessionExpiry = attached.sessionExpiry
        hasWill = opening.will != nil
        worker.departed[clientID] = nil
        if attached.filters.isEmpty { welcome(attached) } else { judge(attached) }
    }

    /// It is let in.
    func welcome(_ attached: Attached) {
        guard phase == .admitting, let exchange, let opening = opening.take() else { return }
        maximumPacketSize = opening.maximumPacketSize
        aliasesGranted = min(opening.topicAliasMaximum, grants.aliasesToClients)
        phase = .open
        exchange.status = 200
        forgetHead(exchange)
        var keepAlive = opening.keepAlive
        if grants.keepAlive > 0, keepAlive == 0 || keepAlive > grants.keepAlive { keepAlive = grants.keepAlive }
        patienceMS = UInt64(keepAlive) * 1500
        heardMS = worker.loop.nowMS
        var answer = ConnectAnswer()
        answer.sessionPresent = attached.isPresent
        if attached.sessionExpiry != opening.sessionExpiry { answer.sessionExpiry = attached.sessionExpiry }
        answer.receiveMaximum = grants.receiveMaximum
        answer.maximumPacketSize = UInt32(clamping: grants.maxPacket)
        if opening.isAssigned { answer.assignedClientID = clientID }
        answer.topicAliasMaximum = grants.topicAliases
        if keepAlive != opening.keepAlive { answer.serverKeepAlive = keepAlive }
        write(answer)
        arm()
        goOn()
        if worker.isDraining { drain() }
    }

    /// The token has done its work, and is not kept; what is, is what the log says at the end.
    private func forgetHead(_ exchange: Exchange) {
        exchange.head.fields = []
        guard let text = exchange.text else { return }
        text.dropLast(text.count - min(text.count, exchange.head.path.end))
        text.trim()
    }

    // MARK: - CONNACK

    func refuseConnect(_ reason: ReasonCode, _ detail: StaticString, reference: [UInt8] = []) {
        refuseConnect(reason, Array("\(detail)".utf8), reference: reference)
    }

    private func refuseConnect(_ reason: ReasonCode, _ text: [UInt8], reference: [UInt8] = []) {
        guard phase == .opening || phase == .admitting else { return }
        worker.meters.count(connectRefused: reason.rawValue)
        // MQTT 3.1.1 has an answer for what was understood, and only the end of the connection for the rest.
        let isSaid = version == .v5 || [.unsupportedProtocolVersion, .clientIdentifierNotValid].contains(reason)
        if phase == .admitting || isVersionKnown && isSaid {
            var answer = ConnectAnswer()
            answer.reason = reason
            if let opening { maximumPacketSize = opening.maximumPacketSize }
            answer.serverReference = reference
            if mayAdd(text, beside: reference.count) { answer.reasonString = text }
            write(answer)
        }
        if let exchange, exchange.status == 0 { exchange.status = 403 }
        leave(.clean(sessionExpiry: nil))
        finish()
    }

    private func write(_ answer: ConnectAnswer) {
        PacketWriter.connack(answer, version: version, into: output)
        worker.meters.count(packetOut: PacketType.connack.rawValue)
        flushSoon()
    }

    func refuse(_ ending: MQTTEnding, _ exchange: Exchange, _ reason: ReasonCode? = nil) {
        guard exchange === self.exchange, exchange.status == 0 else { return }
        exchange.status = ending.outcome.httpStatus
        refuseConnect(reason ?? ending.connectReason, ending.text)
    }
}

// MARK: - CONNECT's wire

extension MQTTConnection: Wire {
    func answer(_ outcome: Outcome, of exchange: Exchange) { refuse(MQTTEnding(outcome), exchange) }

    func answer(_ reply: LocalReply, of exchange: Exchange) {
        refuse(MQTTEnding(reply) ?? MQTTEnding(Outcome(.unsupported, "this route makes no sessions")), exchange)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        if exchange === self.exchange { end(MQTTEnding(why).publishReason, why.detail) }
    }

    /// Sessions are the broker's: no upstream answers a CONNECT.
    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}
    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {}
    func end(trailers: Buffer?, of exchange: Exchange) {
        refuse(MQTTEnding(Outcome(.unsupported, "this route makes no sessions")), exchange)
    }
    func resumeBody(of exchange: Exchange) {}
}

extension Principal {
    /// By what a session is its owner's: kind, issuer and subject. Those that nobody knows are one owner.
    func owner(isNewSession: Bool) -> [UInt8] {
        guard kind != .anonymous, !isNewSession else { return [Kind.anonymous.rawValue] }
        return [kind.rawValue] + issuer + [0] + subject
    }

    /// Who an owner is, as far as that says it: without roles, scopes and claims.
    convenience init?(owner: [UInt8]) {
        guard let first = owner.first, let kind = Kind(rawValue: first) else { return nil }
        let rest = owner.dropFirst()
        guard let end = rest.firstIndex(of: 0) else {
            guard kind == .anonymous else { return nil }
            self.init(kind: .anonymous)
            return
        }
        self.init(kind: kind, issuer: Array(rest[..<end]), subject: Array(rest[(end + 1)...]))
    }
}

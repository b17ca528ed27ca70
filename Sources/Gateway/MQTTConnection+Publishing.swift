import EventCore
import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// What a client publishes: through the pipeline, and answered in its order (MQTT 5.0 sections 3.3 and 4.3).
extension MQTTConnection {
    // MARK: - PUBLISH

    /// Takes a packet over into an exchange's wire.
    func publish(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) -> MQTTPublish {
        let packet = try PublishPacket(bytes, frame, version: version)
        try checkUserProperties(packet.properties, bytes)
        let publish = worker.takePublish()
        do throws(MQTTFault) {
            try fill(publish, packet, bytes)
        } catch {
            publish.discard()
            throw error
        }
        return publish
    }

    /// No more of them than were granted.
    func checkUserProperties(_ properties: Range<Int>, _ bytes: borrowing Span<UInt8>) throws(MQTTFault) {
        guard version == .v5, !properties.isEmpty else { return }
        var pairs = UserProperties(properties)
        var count = 0
        while pairs.next(bytes) != nil {
            count += 1
            if count > grants.userProperties { throw MQTTFault(.quotaExceeded, "more user properties than a packet may have") }
        }
    }

    private func fill(_ publish: MQTTPublish, _ packet: PublishPacket, _ bytes: borrowing Span<UInt8>) throws(MQTTFault) {
        if packet.topic.isEmpty {
            guard packet.topicAlias > 0 else { throw MQTTFault(.protocolError, "a message without a topic") }
            guard packet.topicAlias <= grants.topicAliases else { throw MQTTFault(.topicAliasInvalid, "a topic alias above the maximum") }
            let place = Int(packet.topicAlias) - 1
            guard place < aliases.count, !aliases[place].isEmpty else {
                throw MQTTFault(.protocolError, "a topic alias that stands for nothing")
            }
            let topic = aliases[place]
            publish.fill(packet, bytes, topic: topic.span, version: version)
        } else {
            let topic = bytes.extracting(packet.topic)
            guard topic.count <= MQTTFields.longestTopic, TopicName.isValid(topic, mostLevels: grants.levels) else {
                throw MQTTFault(.topicNameInvalid, "the topic is none, or has too many levels")
            }
            if packet.topicAlias > 0 { try remember(topic, as: packet.topicAlias) }
            publish.fill(packet, bytes, topic: topic, version: version)
        }
        if version == .v5, packet.qos != .atMostOnce, !isAgain(packet), unanswered >= Int(grants.receiveMaximum) {
            throw MQTTFault(.receiveMaximumExceeded, "more unanswered messages than were granted")
        }
    }

    private func remember(_ topic: borrowing Span<UInt8>, as alias: UInt16) throws(MQTTFault) {
        guard alias <= grants.topicAliases else { throw MQTTFault(.topicAliasInvalid, "a topic alias above the maximum") }
        while aliases.count < Int(alias) { aliases.append([]) }
        let others = aliases.reduce(0) { $0 + $1.count } - aliases[Int(alias) - 1].count
        guard others + topic.count <= MQTTFields.mostAliasBytes else {
            throw MQTTFault(.quotaExceeded, "the topics behind the aliases are too long")
        }
        aliases[Int(alias) - 1] = topic.bytes
    }

    /// Messages that count against the Receive Maximum (section 4.9): with QoS 2 until PUBCOMP.
    private var unanswered: Int { answers.count + incoming.answered }

    private func isAgain(_ packet: PublishPacket) -> Bool { packet.qos == .exactlyOnce && incoming[packet.packetID] != nil }

    /// Sends a message through the pipeline; one with QoS 2 that has come before only hears so.
    func take(_ publish: MQTTPublish) {
        let packetID = publish.packetID
        if publish.qos == .exactlyOnce {
            switch incoming[packetID] {
            // Its PUBREC is on its way, or its PUBCOMP.
            case .inWork, .releasing: return publish.discard()
            case .taken:
                answers.settle(answers.begin(packetID, isExactlyOnce: true), .success)
                publish.discard()
                return writeAnswers()
            case nil: incoming[packetID] = .inWork
            }
        }
        if publish.qos != .atMostOnce {
            hasMarks = true
            publish.number = answers.begin(packetID, isExactlyOnce: publish.qos == .exactlyOnce)
        }
        publish.begin(self, session, as: principal, clientID: clientID)
        if publish.connection === self, publish.isParked { parked = publish }
    }

    /// Messages in the pipeline, with any QoS, above which no more are read; and their bytes. The Receive Maximum says
    /// nothing of QoS 0.
    static let mostInWork = 256
    static let mostBytesInWork = 1 << 20

    var isFull: Bool { inWork >= Self.mostInWork || bytesInWork >= Self.mostBytesInWork }

    func began(_ publish: MQTTPublish) {
        inWork += 1
        bytesInWork += publish.cost
    }

    // MARK: - Answers

    /// A message is done, or refused.
    func answered(_ publish: MQTTPublish, _ reason: ReasonCode, text: [UInt8]) {
        guard publish.qos != .atMostOnce, phase == .open || phase == .finishing else { return }
        if publish.qos == .exactlyOnce { incoming[publish.packetID] = reason.isError ? nil : .taken(by: publish.keeper) }
        let wasFull = answers.count >= Int(grants.receiveMaximum)
        answers.settle(publish.number, reason, text: mayAdd(text) ? text : [])
        writeAnswers()
        if wasFull { goOn() }
        finishIfAnswered()
    }

    /// The message is over, and with it what waited for it.
    func released(_ publish: MQTTPublish) {
        let wasFull = isFull
        inWork -= 1
        bytesInWork -= publish.cost
        if wasFull, !isFull { goOn() }
        guard parked === publish else { return }
        parked = nil
        goOn()
    }

    private func writeAnswers() {
        while let answer = answers.next() {
            let type = answer.isExactlyOnce ? PacketType.pubrec : .puback
            PacketWriter.acknowledgement(type, answer.packetID, answer.reason, text: answer.text.span, version: version, into: output)
            worker.meters.count(packetOut: type.rawValue)
            flushSoon()
        }
    }

    // MARK: - PUBREL

    /// The client has our PUBREC: the identifier is free once whoever knows the message has forgotten it.
    func release(_ packetID: UInt16) {
        guard let handle, let exchange else { return }
        let keeper: MessageKeeper?
        switch incoming[packetID] {
        case .inWork: return complete(packetID, isKnown: false)
        case .releasing: return
        case .taken(.nobody): return complete(packetID, isKnown: true)
        case .taken(let by): keeper = by
        // From an earlier connection of this session.
        case nil: keeper = nil
        }
        incoming[packetID] = .releasing(left: keeper == nil ? 2 : 1, isKnown: keeper != nil)
        if keeper != .broker {
            releasing.append(packetID)
            let work = Submission.Work.releaseDelivery(session: incarnation, packetID: packetID)
            worker.requests.ask(Submission(ticket: exchange.ticket, work: work))
        }
        if keeper != .log { worker.requests.ask(.release(handle, exchange.ticket, packetID: packetID)) }
    }

    /// The log has forgotten the next of those that it was told to.
    func releasedByLog(isKnown: Bool) {
        guard !releasing.isEmpty else { return }
        let packetID = releasing.removeFirst()
        if releasing.isEmpty { releasing = [] }
        released(packetID, isKnown: isKnown)
    }

    /// The log could not forget: PUBCOMP would be a lie, and no packet says so. The client comes back, and releases it again.
    func releaseFailed() { end(.implementationSpecificError, "a message could not be released for now") }

    /// One of those who may know the message has forgotten it.
    func released(_ packetID: UInt16, isKnown: Bool) {
        guard case .releasing(let left, let wasKnown) = incoming[packetID] else { return }
        if left > 1 {
            incoming[packetID] = .releasing(left: left - 1, isKnown: wasKnown || isKnown)
        } else {
            incoming[packetID] = nil
            complete(packetID, isKnown: wasKnown || isKnown)
        }
    }

    private func complete(_ packetID: UInt16, isKnown: Bool) {
        if case .taken = incoming[packetID] { incoming[packetID] = nil }
        guard phase == .open || phase == .finishing else { return }
        let reason = isKnown ? ReasonCode.success : .packetIdentifierNotFound
        PacketWriter.acknowledgement(.pubcomp, packetID, reason, text: Span(), version: version, into: output)
        worker.meters.count(packetOut: PacketType.pubcomp.rawValue)
        flushSoon()
    }
}

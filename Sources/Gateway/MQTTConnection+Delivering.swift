import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// What goes to the client: messages of the broker, and all that is written, once a turn.
extension MQTTConnection {
    // MARK: - Messages

    func deliver(_ deliveries: [Delivery]) {
        guard phase == .open else { return }
        let nowMS = UInt64(max(0, WallClock.nowNS())) / 1_000_000
        for delivery in deliveries { deliver(delivery, nowMS) }
        flushSoon()
    }

    private func deliver(_ delivery: Delivery, _ nowMS: UInt64) {
        let message = delivery.message
        var left: UInt32?
        if message.expiresMS != .max {
            guard message.expiresMS > nowMS else { return skip(delivery, .mqttExpired) }
            left = UInt32(clamping: (message.expiresMS - nowMS + 999) / 1000)
        }
        // Who takes nothing for now has told the broker so; what still comes with QoS 0 has no place to wait.
        if delivery.qos == .atMostOnce, output.count > 4 * Self.highWater { return skip(delivery, .mqttDropped) }
        let publish = OutgoingPublish(
            topic: message.topic, payload: message.payload, qos: delivery.qos, dup: delivery.dup, retain: delivery.retain,
            packetID: delivery.packetID, properties: message.properties, messageExpiry: left,
            subscriptionIdentifiers: delivery.identifiers)
        if maximumPacketSize != .max, PacketWriter.count(of: publish, version: version) > Int(maximumPacketSize) {
            return skip(delivery, .mqttTooLarge)
        }
        if delivery.qos == .exactlyOnce { outgoing.insert(delivery.packetID) }
        PacketWriter.publish(publish, version: version, into: output)
        worker.meters.count(packetOut: PacketType.publish.rawValue)
        if !isHeld, output.count > Self.highWater { hold(true) }
    }

    /// It is not sent: for its session it is done (MQTT 5.0 section 3.1.2.11.4).
    private func skip(_ delivery: Delivery, _ why: WorkerCounter) {
        worker.meters.count(why)
        guard delivery.packetID != 0, let handle, let exchange else { return }
        let settlement = delivery.qos == .exactlyOnce ? Settlement.pubrec(.packetTooLarge) : .puback(.packetTooLarge)
        worker.requests.ask(.settle(handle, exchange.ticket, packetID: delivery.packetID, settlement))
    }

    private func hold(_ isHeld: Bool) {
        guard let handle, let exchange else { return }
        self.isHeld = isHeld
        worker.requests.ask(.hold(handle, exchange.ticket, isHeld))
    }

    /// PUBREL of a message that the client has.
    func sendRelease(_ packetID: UInt16) {
        outgoing.insert(packetID)
        release(packetID, .success)
    }

    private func release(_ packetID: UInt16, _ reason: ReasonCode) {
        guard phase == .open || phase == .finishing else { return }
        PacketWriter.acknowledgement(.pubrel, packetID, reason, text: Span(), version: version, into: output)
        worker.meters.count(packetOut: PacketType.pubrel.rawValue)
        flushSoon()
    }

    /// The client has acknowledged.
    func settle(_ type: PacketType, _ packet: AcknowledgementPacket) {
        guard let handle, let exchange else { return }
        let settlement: Settlement
        switch type {
        case .puback: settlement = .puback(packet.reason)
        case .pubrec:
            // Nobody has sent it such a message (MQTT 5.0 section 4.3.3).
            if version == .v5, !packet.reason.isError, !outgoing.contains(packet.packetID) {
                return release(packet.packetID, .packetIdentifierNotFound)
            }
            if packet.reason.isError { outgoing.remove(packet.packetID) }
            settlement = .pubrec(packet.reason)
        default:
            outgoing.remove(packet.packetID)
            settlement = .pubcomp
        }
        if outgoing.isEmpty { outgoing = [] }
        worker.requests.ask(.settle(handle, exchange.ticket, packetID: packet.packetID, settlement))
    }

    // MARK: - Out

    /// All that a turn has to say leaves in one write.
    func flushSoon() {
        guard !flushAsked, phase != .closed else { return }
        flushAsked = true
        worker.loop.atEndOfTurn(self)
    }

    func flush() {
        guard phase != .closed else { return }
        var hasMoved = !outputBlocked
        while !output.isEmpty {
            switch transport.send(output) {
            case .moved(let n):
                hasMoved = true
                exchange?.bytesOut += UInt64(n)
                worker.meters.count(.bytesOut, by: UInt64(n))
            case .wouldBlock, .ended:
                outputBlocked = true
                if hasMoved, phase != .ending {
                    stalledByMS = worker.loop.nowMS + UInt64(max(1, port.timeouts.send))
                    arm()
                }
                return
            case .failed: return lost()
            }
        }
        output.giveBack()
        if outputBlocked {
            outputBlocked = false
            stalledByMS = 0
            if isHeld { hold(false) }
            goOn()
        } else if isHeld {
            hold(false)
        }
        shutDownIfFlushed()
    }
}

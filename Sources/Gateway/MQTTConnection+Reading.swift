import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// Reading: packet by packet, in place, and no further than what is waited for allows.
extension MQTTConnection {
    static let highWater = 64 * 1024
    private static let readsPerTurn = 16
    /// SUBSCRIBEs and UNSUBSCRIBEs at the broker above which no more are read: each may be as large as a packet.
    static let mostAsked = 16

    /// What a packet is, once it has been taken from the buffer.
    private enum Taken {
        case nothing(least: Int)
        case connect(MQTTOpening)
        case publish(MQTTPublish)
        case acknowledgement(PacketType, AcknowledgementPacket)
        case subscribe(SubscribeInWork)
        case unsubscribe(UInt16, [TopicFilter?])
        case ping
        case disconnect(DisconnectPacket)
        case failed(MQTTFault)
    }

    /// Does what can be done with what is there. Not re-entered: what ends inside a call from here comes back by the loop.
    func drive() {
        guard !driving else { return }
        driving = true
        defer { driving = false }
        var reads = 0
        var published = 0
        while true {
            switch phase {
            case .opening, .open: break
            case .ending: return discard()
            case .admitting, .finishing, .closed: return
            }
            guard mayRead else {
                // What is not read cannot come.
                expectNothing()
                return
            }
            if published == grants.publishesPerTurn { return worker.loop.again(self) }
            let (taken, count) = nextPacket()
            if case .nothing(let least) = taken {
                expectRest(least)
                guard readable else {
                    if input.isEmpty { input.giveBack() }
                    return
                }
                if reads == Self.readsPerTurn { return worker.loop.again(self) }
                reads += 1
                if !fill(least: least) { return }
                continue
            }
            input.consume(count)
            if packetByMS > 0 { expectNothing() }
            heardMS = worker.loop.nowMS
            if case .publish = taken { published += 1 }
            act(on: taken)
        }
    }

    /// Is there room for what another packet may bring?
    private var mayRead: Bool {
        if subscribing != nil || parked != nil || isFull || asked >= Self.mostAsked { return false }
        if outputBlocked && output.count > Self.highWater { return false }
        // MQTT 3.1.1 knows no Receive Maximum: it is not read from instead.
        if answers.count > Int(grants.receiveMaximum) || version == .v311 && answers.count == Int(grants.receiveMaximum) { return false }
        guard worker.requests.isEmpty else {
            if !isHeldBack { worker.requests.hold(self) }
            isHeldBack = true
            return false
        }
        return true
    }

    /// A packet that has begun has the time of a head, and a second more for each KB: a client without a keep alive could
    /// hold its bytes for ever.
    private func expectRest(_ least: Int) {
        guard phase == .open, !input.isEmpty else { return }
        if packetSinceMS == 0 { packetSinceMS = worker.loop.nowMS }
        // How large it is may be known only later.
        let byMS = packetSinceMS + UInt64(max(1, port.timeouts.head)) + UInt64(least)
        guard byMS != packetByMS else { return }
        packetByMS = byMS
        arm()
    }

    /// It is whole, or is not read for now.
    private func expectNothing() {
        packetSinceMS = 0
        packetByMS = 0
    }

    /// Receives once. False = nothing came (the connection may be closed by now).
    private func fill(least: Int) -> Bool {
        input.reserve(max(2048, least - input.count))
        switch transport.receive(into: input) {
        case .moved(let n):
            worker.meters.count(.bytesIn, by: UInt64(n))
            if transport.isDrained(input) && !inputEnded { readable = false }
            return true
        case .wouldBlock:
            readable = false
            if input.isEmpty { input.giveBack() }
            return false
        case .ended, .failed:
            lost()
            return false
        }
    }

    /// Input after the end is thrown away.
    private func discard() {
        input.clear()
        var reads = 0
        while phase == .ending && readable && reads < Self.readsPerTurn {
            reads += 1
            input.reserve(2048)
            switch transport.receive(into: input) {
            case .moved: if transport.isDrained(input) && !inputEnded { readable = false }
            case .wouldBlock: readable = false
            case .ended, .failed: return close()
            }
            input.clear()
        }
        if phase == .ending && readable { worker.loop.again(self) } else if phase == .ending { input.giveBack() }
    }

    // MARK: - Packets

    /// Takes the packet that the buffer begins with apart; nothing of the connection's life changes here, because the
    /// buffer is being read.
    private func nextPacket() -> (Taken, count: Int) {
        input.withReadable { bytes in
            switch FrameReader(maximum: grants.maxPacket).next(bytes, at: 0) {
            case .needMore(let least): return (.nothing(least: least), 0)
            case .failed(let reason, let detail): return (.failed(MQTTFault(reason, detail)), 0)
            case .frame(let frame):
                do throws(MQTTFault) {
                    return (try packet(bytes, frame), frame.count)
                } catch {
                    return (.failed(error), frame.count)
                }
            }
        }
    }

    private func packet(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) -> Taken {
        worker.meters.count(packetIn: frame.type.rawValue)
        if phase == .opening {
            guard frame.type == .connect else { throw MQTTFault(.protocolError, "the first packet must be CONNECT") }
            return .connect(try connect(bytes, frame))
        }
        switch frame.type {
        case .publish: return .publish(try publish(bytes, frame))
        case .puback, .pubrec, .pubrel, .pubcomp:
            return .acknowledgement(frame.type, try AcknowledgementPacket(bytes, frame, version: version))
        case .subscribe: return .subscribe(try subscribe(bytes, frame))
        case .unsubscribe:
            let packet = try UnsubscribePacket(bytes, frame, version: version, most: grants.filters)
            var filters: [TopicFilter?] = []
            for filter in packet.filters { filters.append(TopicFilter(bytes.extracting(filter), mostLevels: grants.levels)) }
            return .unsubscribe(packet.packetID, filters)
        case .pingreq:
            guard frame.body.isEmpty else { throw MQTTFault(.malformedPacket, "PINGREQ has no body") }
            return .ping
        case .disconnect: return .disconnect(try DisconnectPacket(bytes, frame, version: version))
        case .connect: throw MQTTFault(.protocolError, "a second CONNECT")
        case .auth: throw MQTTFault(.protocolError, "no authentication method was agreed on")
        case .connack, .suback, .unsuback, .pingresp: throw MQTTFault(.protocolError, "only servers send this packet")
        }
    }

    private func act(on taken: Taken) {
        switch taken {
        case .nothing: break
        case .connect(let opening): admit(opening)
        case .publish(let publish): take(publish)
        case .acknowledgement(.pubrel, let packet): release(packet.packetID)
        case .acknowledgement(let type, let packet): settle(type, packet)
        case .subscribe(let work): begin(work)
        case .unsubscribe(let packetID, let filters):
            guard let handle, let exchange else { return }
            asked += 1
            worker.requests.ask(.unsubscribe(handle, exchange.ticket, packetID: packetID, filters))
        case .ping:
            PacketWriter.pingresp(into: output)
            worker.meters.count(packetOut: PacketType.pingresp.rawValue)
            flushSoon()
        case .disconnect(let packet): disconnected(packet)
        case .failed(let fault): fail(fault)
        }
    }

    private func disconnected(_ packet: DisconnectPacket) {
        if let seconds = packet.sessionExpiry, seconds > 0, sessionExpiry == 0 {
            return fail(MQTTFault(.protocolError, "DISCONNECT cannot keep a session that CONNECT did not want kept"))
        }
        let isNormal = packet.reason == .success
        leave(isNormal ? .clean(sessionExpiry: packet.sessionExpiry) : .lost(sessionExpiry: packet.sessionExpiry))
        finish()
    }
}

import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import Topics
import WireMQTT

/// A SUBSCRIBE whose filters are on their way through the pipeline.
final class SubscribeInWork {
    let packetID: UInt16
    let identifier: UInt32
    let requests: [(filter: TopicFilter?, options: SubscriptionOptions)]
    var results: [Result<Subscription, RefusedFilter>]
    /// Filters that have not been decided on, and one until all have been asked about.
    var left: Int
    /// The head of each filter's exchange has these user properties too.
    let fields: Head
    let fieldText: [UInt8]

    init(
        packetID: UInt16, identifier: UInt32, requests: [(filter: TopicFilter?, options: SubscriptionOptions)], fields: Head,
        fieldText: [UInt8]
    ) {
        self.packetID = packetID
        self.identifier = identifier
        self.requests = requests
        self.fields = fields
        self.fieldText = fieldText
        results = Array(repeating: .failure(RefusedFilter(.topicFilterInvalid)), count: requests.count)
        left = requests.count + 1
    }
}

/// SUBSCRIBE: every filter is an exchange (MQTT 5.0 section 3.8). No later packet is read before all are decided on.
extension MQTTConnection {
    func subscribe(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) -> SubscribeInWork {
        let packet = try SubscribePacket(bytes, frame, version: version, most: grants.filters)
        try checkUserProperties(packet.properties, bytes)
        var requests: [(filter: TopicFilter?, options: SubscriptionOptions)] = []
        for request in packet.requests {
            let text = bytes.extracting(request.filter)
            let filter = text.count <= MQTTFields.longestTopic ? TopicFilter(text, mostLevels: grants.levels) : nil
            if filter?.share != nil, request.options.noLocal {
                throw MQTTFault(.protocolError, "a shared subscription cannot leave out a client's own messages")
            }
            requests.append((filter, request.options))
        }
        var head = Head()
        let text = Buffer(capacity: 256)
        if version == .v5 { MQTTFields.append(userProperties: packet.properties, in: bytes, to: &head, text) }
        return SubscribeInWork(
            packetID: packet.packetID, identifier: packet.identifier, requests: requests, fields: head,
            fieldText: text.copyReadable())
    }

    func begin(_ work: SubscribeInWork) {
        subscribing = work
        for (i, request) in work.requests.enumerated() {
            guard let filter = request.filter else {
                decided(work, i, MQTTEnding(Outcome(.noRoute, "this is no topic filter")))
                continue
            }
            MQTTPermission(self) { [self] in decided(work, i, $0) }
                .begin(subscribe: filter.text, fields: work.fields, fieldText: work.fieldText)
        }
        decided(work)
    }

    /// A filter's exchange has ended. - Parameter ending: nil = it may be subscribed to.
    func decided(_ work: SubscribeInWork, _ place: Int, _ ending: MQTTEnding?) {
        let request = work.requests[place]
        if let ending {
            work.results[place] = .failure(RefusedFilter(request.filter == nil ? .topicFilterInvalid : ending.subscribeReason))
        } else if let filter = request.filter {
            work.results[place] = .success(
                Subscription(filter: filter, options: request.options, identifier: work.identifier))
        }
        decided(work)
    }

    private func decided(_ work: SubscribeInWork) {
        work.left -= 1
        guard work.left == 0, work === subscribing, let handle, let exchange else { return }
        subscribing = nil
        asked += 1
        worker.requests.ask(.subscribe(handle, exchange.ticket, packetID: work.packetID, work.results))
        goOn()
    }

    func subscribed(_ packetID: UInt16, _ reasons: [ReasonCode]) {
        guard phase == .open || phase == .finishing else { return }
        PacketWriter.suback(packetID, reasons, version: version, into: output)
        worker.meters.count(packetOut: PacketType.suback.rawValue)
        flushSoon()
        hasAnswered()
    }

    func unsubscribed(_ packetID: UInt16, _ reasons: [ReasonCode]) {
        guard phase == .open || phase == .finishing else { return }
        PacketWriter.unsuback(packetID, reasons, version: version, into: output)
        worker.meters.count(packetOut: PacketType.unsuback.rawValue)
        flushSoon()
        hasAnswered()
    }

    /// The broker has answered one of those.
    private func hasAnswered() {
        if asked == Self.mostAsked { goOn() }
        asked -= 1
        finishIfAnswered()
    }
}

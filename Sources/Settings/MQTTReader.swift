/// `mqtt` of a listener, and the section `mqtt`.
extension ListenerMQTT {
    /// Nil = it speaks HTTP: absent or `off`.
    static func read(_ listener: Fields) -> ListenerMQTT? {
        guard let value = listener.value("mqtt") else { return nil }
        if case .scalar("off", _) = value.shape { return nil }
        var result = ListenerMQTT()
        let fields = Fields(value, "MQTT of a listener", listener.diagnostics)
        // The largest remaining length that the standard can say is 256 MiB less a byte.
        result.maxPacket = fields.count("max_packet", in: 1 << 10...256 << 20) ?? result.maxPacket
        result.receiveMaximum = fields.short("receive_maximum", in: 1...65_535) ?? result.receiveMaximum
        result.topicAliases = fields.short("topic_aliases", in: 0...1_024) ?? result.topicAliases
        result.aliasesToClients = fields.short("aliases_to_clients", in: 0...1_024) ?? result.aliasesToClients
        result.serverReference = reference(fields)
        result.serverMoved = fields.bool("server_moved") ?? result.serverMoved
        if result.serverMoved, result.serverReference == nil {
            fields.diagnostics.error(at: fields.position(of: "server_moved"), "'server_moved' needs a 'server_reference': where to")
        }
        if let time = fields.milliseconds("keep_alive", in: 0...65_535_000) {
            if time % 1000 != 0 {
                fields.diagnostics.error(at: fields.position(of: "keep_alive"), "'keep_alive' is whole seconds")
            }
            result.keepAlive = UInt16(time / 1000)
        }
        result.levels = fields.integer("levels", in: 1...256) ?? result.levels
        result.filters = fields.integer("filters", in: 1...1_024) ?? result.filters
        result.userProperties = fields.integer("user_properties", in: 0...256) ?? result.userProperties
        result.publishesPerTurn = fields.integer("publishes_per_turn", in: 1...4_096) ?? result.publishesPerTurn
        fields.finish()
        return result
    }

    /// Nil = absent, `off`, or a mistake.
    private static func reference(_ fields: Fields) -> String? {
        if let value = fields.value("server_reference"), case .scalar("off", _) = value.shape { return nil }
        guard let places = fields.strings("server_reference") else { return nil }
        guard (1...8).contains(places.count) else {
            fields.diagnostics.error(at: fields.position(of: "server_reference"), "'server_reference' is one to eight of host:port, or off")
            return nil
        }
        for (text, position) in places {
            do throws(Address.Problem) {
                guard case .tcp(_, let port) = try Address(text), port > 0 else { throw Address.Problem(message: "clients need a host and a port") }
            } catch {
                fields.diagnostics.error(at: position, "'\(text)' is not an address: \(error.message)")
                return nil
            }
        }
        return places.map(\.text).joined(separator: " ")
    }
}

extension MQTTSettings {
    mutating func read(_ fields: Fields) {
        path = fields.string("path") ?? path
        sessions = fields.integer("sessions", in: 1...10_000_000) ?? sessions
        sessionsPerPrincipal = fields.integer("sessions_per_principal", in: 1...10_000_000) ?? sessionsPerPrincipal
        sessionExpiry = fields.milliseconds("session_expiry", in: 0...2_592_000_000).map { UInt64($0) } ?? sessionExpiry
        subscriptions = fields.integer("subscriptions", in: 1...10_000) ?? subscriptions
        queuedMessages = fields.integer("queued_messages", in: 0...1_000_000) ?? queuedMessages
        queuedBytes = fields.count("queued_bytes", in: 0...1 << 30) ?? queuedBytes
        allQueuedBytes = fields.count("all_queued_bytes", in: 0...64 << 30) ?? allQueuedBytes
        allSessionBytes = fields.count("all_session_bytes", in: 0...64 << 30) ?? allSessionBytes
        inFlight = fields.short("in_flight", in: 1...65_535) ?? inFlight
        retained = fields.integer("retained", in: 0...10_000_000) ?? retained
        retainedBytes = fields.count("retained_bytes", in: 0...16 << 30) ?? retainedBytes
        refused = fields.integer("refused", in: 1...10_000_000) ?? refused
        systemTopics = fields.milliseconds("system_topics", in: 0...3_600_000) ?? systemTopics
        if (1..<100).contains(systemTopics) {
            fields.diagnostics.error(at: fields.position(of: "system_topics"), "'system_topics' is 0 or at least 100ms")
        }
        feed = FeedEntry.readAll("feed", of: fields) ?? feed
        fields.finish()
        if queuedBytes > allQueuedBytes {
            fields.diagnostics.error(
                at: fields.position(of: fields.has("queued_bytes") ? "queued_bytes" : "all_queued_bytes"),
                "'queued_bytes' of one session cannot be more than 'all_queued_bytes' of all")
        }
    }
}

extension Fields {
    fileprivate func short(_ key: String, in range: ClosedRange<Int>) -> UInt16? {
        integer(key, in: range).map { UInt16($0) }
    }
}

/// `listeners` and `admin`, and what they may not have in common.
extension Configuration {
    mutating func readListeners(_ root: Fields) {
        let diagnostics = root.diagnostics
        var places: [(listener: Listener, position: SourcePosition)] = []
        if let value = root.value("listeners") {
            listeners = []
            if case .list(let items) = value.shape {
                if items.isEmpty { diagnostics.error(at: value.position, "at least one listener is needed") }
                for item in items {
                    let fields = Fields(item, "a listener", diagnostics)
                    var listener = Listener(name: "", port: 0)
                    if let name = fields.name() { listener.name = name }
                    if !fields.has("address") { fields.diagnostics.error(at: item.position, "a listener needs an address") }
                    listener.read(fields)
                    if listener.name == Listener.adminName {
                        diagnostics.error(
                            at: fields.position(of: "name"), "the name 'admin' belongs to the section `admin`")
                    }
                    listeners.append(listener)
                    places.append((listener, item.position))
                }
            } else {
                diagnostics.error(at: value.position, "'listeners' must be a list, not \(value.summary)")
            }
        } else {
            places = listeners.map { ($0, root.position) }
        }
        if let value = root.value("admin") {
            if case .scalar("off", _) = value.shape {
                admin = nil
            } else if var listener = admin {
                let fields = Fields(value, "the admin listener", diagnostics)
                listener.read(fields)
                if listener.mqtt != nil {
                    diagnostics.error(at: fields.position(of: "mqtt"), "the admin listener speaks HTTP: give MQTT one of 'listeners'")
                }
                admin = listener
                places.append((listener, value.position))
            }
        } else if let admin {
            places.append((admin, root.position))
        }
        if places.count > 64 {
            diagnostics.error(at: root.position(of: "listeners"), "at most 64 listeners are supported")
        }
        Configuration.checkListeners(places, diagnostics)
    }

    private static func checkListeners(
        _ places: [(listener: Listener, position: SourcePosition)], _ diagnostics: Diagnostics
    ) {
        for (i, (listener, position)) in places.enumerated() {
            for (other, place) in places[..<i] {
                if other.name == listener.name && !listener.name.isEmpty {
                    diagnostics.error(at: position, "the listener name '\(listener.name)' is taken at \(place)")
                }
                if case .tcp(_, port: 0) = listener.address { continue }
                if other.address == listener.address {
                    diagnostics.error(
                        at: position,
                        "the address \(listener.address) is already used by listener '\(other.name)' at \(place)")
                }
            }
        }
    }
}

extension Listener {
    fileprivate mutating func read(_ fields: Fields) {
        let diagnostics = fields.diagnostics
        if let value = fields.value("address"), let parsed = value.address("address", diagnostics) {
            // A listener binds before any resolver runs.
            if case .tcp(.name(let name), _) = parsed {
                diagnostics.error(
                    at: value.position, "a listener needs a literal address, not the name '\(name)' (localhost is 127.0.0.1)")
            } else {
                address = parsed
            }
        }
        tls = ListenerTLS.read(fields)
        mqtt = ListenerMQTT.read(fields)
        backlog = fields.integer("backlog", in: 1...65_535) ?? backlog
        maxConnections = fields.integer("max_connections", in: 1...10_000_000) ?? maxConnections
        maxConnectionsPerAddress =
            fields.integer("max_connections_per_address", in: 0...10_000_000) ?? maxConnectionsPerAddress
        for (text, position) in fields.strings("trusted_proxies") ?? [] {
            if let block = CIDR(text) {
                trustedProxies.append(block)
            } else {
                diagnostics.error(
                    at: position,
                    "'\(text)' is not an address block such as 10.0.0.0/8 or fd00::/8 (bits behind the prefix must be zero)")
            }
        }
        if let section = fields.fields("limits", "the limits of a listener") { limits.read(section) }
        if let section = fields.fields("timeouts", "the timeouts of a listener") {
            timeouts.head = section.milliseconds("head", in: 1...3_600_000) ?? timeouts.head
            timeouts.maxAge = section.milliseconds("max_age", in: 0...86_400_000) ?? timeouts.maxAge
            timeouts.keepAlive = section.milliseconds("keep_alive", in: 0...86_400_000) ?? timeouts.keepAlive
            if mqtt != nil, section.has("keep_alive") {
                diagnostics.error(
                    at: section.position(of: "keep_alive"), "MQTT clients say themselves how often they are heard of; 'mqtt' has a 'keep_alive' for those who do not")
            }
            timeouts.linger = section.milliseconds("linger", in: 0...60_000) ?? timeouts.linger
            timeouts.send = section.milliseconds("send", in: 1...3_600_000) ?? timeouts.send
            section.finish()
        }
        if let value = fields.value("http2") {
            if case .scalar("off", _) = value.shape {
                http2 = nil
            } else {
                let section = Fields(value, "HTTP/2 of a listener", diagnostics)
                var settings = http2 ?? HTTP2()
                settings.read(section)
                http2 = settings
            }
        }
        if mqtt != nil {
            http2 = nil
            for key in ["http2", "limits", "trusted_proxies"] where fields.has(key) {
                diagnostics.error(at: fields.position(of: key), "'\(key)' is of HTTP, and this listener speaks MQTT")
            }
        }
        fields.finish()
    }
}

extension Listener.Limits {
    fileprivate mutating func read(_ fields: Fields) {
        requestLine = fields.count("request_line", in: 64...1 << 20) ?? requestLine
        fieldLine = fields.count("field_line", in: 64...1 << 20) ?? fieldLine
        self.fields = fields.integer("fields", in: 1...10_000) ?? self.fields
        head = fields.count("head", in: 256...16 << 20) ?? head
        trailers = fields.count("trailers", in: 0...16 << 20) ?? trailers
        chunkExtension = fields.count("chunk_extension", in: 0...64 << 10) ?? chunkExtension
        fields.finish()
        for (key, part) in [("request_line", requestLine), ("field_line", fieldLine)] where part > head {
            fields.diagnostics.error(
                at: fields.position(of: fields.has(key) ? key : "head"),
                "'\(key)' (\(Quantity.text(bytes: UInt64(part)))) cannot be larger than 'head' (\(Quantity.text(bytes: UInt64(head))))"
            )
        }
    }
}

import Settings
import Testing

@Suite struct MQTTSettingsTests {
    private func read(_ text: String) -> (configuration: Configuration, problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "nexus.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration ?? Configuration(), diagnostics.sorted.map { "\($0)".replacing("nexus.yaml:1:", with: "") })
    }

    private func listener(_ text: String) -> (configuration: Configuration, problems: [String]) {
        read("listeners: [{ name: devices, address: 127.0.0.1:1883, \(text) }]")
    }

    @Test func aListenerSpeaksMQTT() {
        let (configuration, problems) = listener("mqtt: {}")
        #expect(problems == [] && configuration.listeners[0].mqtt == ListenerMQTT() && configuration.listeners[0].http2 == nil)
        #expect(listener("mqtt: off").configuration.listeners[0].mqtt == nil && Configuration().listeners[0].mqtt == nil)
    }

    @Test func everyKeyOfAListenerIsRead() {
        let (configuration, problems) = listener(
            "mqtt: { max_packet: 1MiB, receive_maximum: 7, topic_aliases: 3, aliases_to_clients: 2, server_reference: [other.example:8883, '[::1]:1'], server_moved: true, keep_alive: 2m, levels: 9, filters: 8, user_properties: 5, publishes_per_turn: 4 }")
        var wanted = ListenerMQTT()
        wanted.maxPacket = 1 << 20
        wanted.receiveMaximum = 7
        wanted.topicAliases = 3
        wanted.aliasesToClients = 2
        wanted.serverReference = "other.example:8883 [::1]:1"
        wanted.serverMoved = true
        wanted.keepAlive = 120
        wanted.levels = 9
        wanted.filters = 8
        wanted.userProperties = 5
        wanted.publishesPerTurn = 4
        #expect(problems == [] && configuration.listeners[0].mqtt == wanted)
    }

    @Test func everyKeyOfTheSectionIsRead() {
        let (configuration, problems) = read(
            "mqtt: { path: data/m.db, sessions: 1, sessions_per_principal: 6, session_expiry: 1h, subscriptions: 2, queued_messages: 3, queued_bytes: 4, all_queued_bytes: 5, all_session_bytes: 10, in_flight: 6, retained: 7, retained_bytes: 8, refused: 9, system_topics: 1s }")
        var wanted = MQTTSettings()
        wanted.path = "data/m.db"
        wanted.sessions = 1
        wanted.sessionsPerPrincipal = 6
        wanted.sessionExpiry = 3_600_000
        wanted.subscriptions = 2
        wanted.queuedMessages = 3
        wanted.queuedBytes = 4
        wanted.allQueuedBytes = 5
        wanted.allSessionBytes = 10
        wanted.inFlight = 6
        wanted.retained = 7
        wanted.retainedBytes = 8
        wanted.refused = 9
        wanted.systemTopics = 1000
        #expect(problems == [] && configuration.mqtt == wanted)
    }

    @Test(arguments: [
        ("mqtt: { max_packets: 1 }", "63: error: unknown key 'max_packets' in MQTT of a listener (did you mean 'max_packet'?)"),
        ("mqtt: { max_packet: 512MiB }", "75: error: 'max_packet' must be from"), ("mqtt: { receive_maximum: 0 }", "80: error: 'receive_maximum' must be from 1 to 65535, not 0"),
        ("mqtt: { keep_alive: 1500ms }", "63: error: 'keep_alive' is whole seconds"), ("mqtt: { levels: 0 }", "71: error: 'levels' must be"),
        ("mqtt: { aliases_to_clients: 1025 }", "83: error: 'aliases_to_clients' must be from 0 to 1024, not 1025"),
        ("mqtt: { server_reference: other.example }", "81: error: 'other.example' is not an address: the port is missing"),
        ("mqtt: { server_reference: unix:/run/x }", "81: error: 'unix:/run/x' is not an address: clients need a host and a port"),
        ("mqtt: { server_reference: [a:1, b:0] }", "87: error: 'b:0' is not an address"),
        ("mqtt: { server_reference: [] }", "63: error: 'server_reference' is one to eight of host:port, or off"),
        ("mqtt: { server_reference: off, server_moved: true }", "86: error: 'server_moved' needs a 'server_reference': where to"),
        ("mqtt: on", "61: error: MQTT of a listener must be a map, not 'on'"),
        ("mqtt: {}, http2: {}", "65: error: 'http2' is of HTTP, and this listener speaks MQTT"),
        ("mqtt: {}, http2: off", "65: error: 'http2' is of HTTP"), ("mqtt: {}, limits: {}", "65: error: 'limits' is of HTTP"),
        ("mqtt: {}, trusted_proxies: []", "65: error: 'trusted_proxies' is of HTTP"),
        ("mqtt: {}, timeouts: { keep_alive: 1s }", "77: error: MQTT clients say themselves"),
    ])
    func aMistakeOfAListenerIsToldAtItsPlace(_ text: String, _ problem: String) {
        #expect(listener(text).problems.first?.hasPrefix(problem) == true, "\(listener(text).problems)")
    }

    @Test(arguments: [
        ("mqtt: { session: 1 }", "9: error: unknown key 'session' in what MQTT clients have in common (did you mean 'sessions'?)"),
        ("mqtt: { session_expiry: 31d }", "25: error: 'session_expiry' must be"), ("mqtt: { sessions_per_principal: 0 }", "33: error: 'sessions_per_principal' must be from 1 to 10000000, not 0"), ("mqtt: { refused: 0 }", "18: error: 'refused' must be"),
        ("mqtt: { system_topics: 99ms }", "24: error: 'system_topics' is 0 or at least 100ms"),
        ("mqtt: { queued_bytes: 1GiB }", "9: error: 'queued_bytes' of one session cannot be more"),
        ("admin: { address: 127.0.0.1:1, mqtt: {} }", "32: error: the admin listener speaks HTTP"),
    ])
    func aMistakeOfTheSectionIsToldAtItsPlace(_ text: String, _ problem: String) {
        #expect(read(text).problems.first?.hasPrefix(problem) == true, "\(read(text).problems)")
    }
}

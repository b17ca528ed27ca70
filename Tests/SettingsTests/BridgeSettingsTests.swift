import Settings
import Testing

@Suite struct BridgeSettingsTests {
    private func read(_ text: String) -> (bridges: [BridgeSettings], problems: [String]) {
        let diagnostics = Diagnostics()
        let text = text + "\nlisteners: [{ name: devices, address: '127.0.0.1:1883', mqtt: {} }]\n"
        let configuration = Document.parse(text, file: "bridge.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.bridges ?? [], diagnostics.sorted.map { "\($0)".replacing("bridge.yaml:1:", with: "") })
    }

    private static let inward = "principal: plant, in: { filter: 'iot/#' }"

    @Test func thereIsNoneUnlessOneIsNamed() {
        #expect(read("").bridges.isEmpty && read("bridges: off") == ([], []) && read("bridges: []") == ([], []))
    }

    @Test func theLeastIsAnAddressAndOneDirection() throws {
        let (bridges, problems) = read("bridges: { name: plant, address: broker.example:1883, \(Self.inward) }")
        let bridge = try #require(bridges.first)
        #expect(problems == [] && bridge.inward == [.init(filter: "iot/#")] && bridge.principal == "plant" && bridge.listener == "devices")
        #expect(bridge.version == .v5 && bridge.clientID == "nexus-plant" && !bridge.isClean && bridge.tls == nil)
        #expect(bridge.sessionExpiry == 86_400_000 && bridge.keepAlive == 60_000 && bridge.patience == 10_000 && bridge.inFlight == 64 && bridge.attempts == 8)
    }

    @Test func everyKeyIsRead() throws {
        let (bridges, problems) = read(
            """
            bridges:
              - name: plant-7
                address: 127.0.0.1:8883
                version: 3.1.1
                tls: { ca: ca.pem, certificate: c.pem, key: k.pem }
                client_id: gateway
                username: gateway
                password_file: secret
                session_expiry: 1h
                keep_alive: 30s
                connect_timeout: 3s
                backoff: 1s
                backoff_max: 5s
                principal: plant
                in: [{ filter: '$share/gateways/iot/+/delta', qos: 1 }, { filter: news, qos: 0 }]
                in_flight: 10
                patience: 4s
                attempts: 3
                max_payload: 1KiB
                out: [{ events: StockTaken, topic: 'stock/{sku}' }]
                publishing: 5
                publish_timeout: 2s
            """)
        #expect(problems == [])
        let bridge = try #require(bridges.first)
        #expect(bridge.version == .v311 && bridge.clientID == "gateway" && bridge.username == "gateway")
        #expect(bridge.tls?.authorities?.path == "ca.pem" && bridge.tls?.certificate?.key.path == "k.pem" && bridge.tls?.checksName == true)
        #expect(bridge.passwordFile?.path == "secret" && bridge.sessionExpiry == 3_600_000 && bridge.keepAlive == 30_000)
        #expect(bridge.connectTimeout == 3000 && bridge.backoff == 1000 && bridge.backoffMost == 5000)
        #expect(bridge.inward == [.init(filter: "$share/gateways/iot/+/delta"), .init(filter: "news", qos: 0)])
        #expect(bridge.inFlight == 10 && bridge.patience == 4000 && bridge.attempts == 3 && bridge.maxPayload == 1024)
        #expect(bridge.outward.map(\.topic) == ["stock/{sku}"] && bridge.publishing == 5 && bridge.publishTimeout == 2000)
    }

    @Test(arguments: [
        ("name: Plant, address: 'b:1', \(inward)", "12: error: 'Plant' is not a name of 1 to 40 of a-z, 0-9 and -"),
        ("name: a, address: 'b:0', \(inward)", "21: error: a bridge needs a host and a port: broker.example:1883"),
        ("address: 'b:1', \(inward)", "11: error: a bridge needs 'name'"),
        ("name: a, address: 'b:1'", "11: error: a bridge needs 'in', 'out' or both"),
        ("name: a, address: 'b:1', in: { filter: x }", "37: error: 'in' needs 'principal': the service as which its messages come in"),
        ("name: a, address: 'b:1', principal: p, in: { filter: 'a/#/b' }", "57: error: 'a/#/b' is not a topic filter"),
        ("name: a, address: 'b:1', principal: p, in: { filter: '$share/x' }", "57: error: '$share/x' is not a topic filter"),
        (
            "name: a, address: 'b:1', principal: p, in: { filter: x, qos: 2 }",
            "68: error: a bridge subscribes with QoS 0 or 1: with 2, the only copy of a message would be in memory for a while"
        ),
        ("name: a, address: 'b:1', password_file: x, \(inward)", "37: error: 'password_file' needs 'username'"),
        ("name: a, address: 'b:1', tls: { certificate: x, key: y }, \(inward)", "44: error: 'certificate' needs 'ca'"),
        (
            "name: a, address: 'b:1', keep_alive: 5s, patience: 6s, \(inward)",
            "53: error: 'patience' cannot be more than 'keep_alive': nothing is sent to the broker meanwhile"
        ),
        ("name: a, address: 'b:1', backoff: 1m, \(inward)", "37: error: 'backoff' cannot be more than 'backoff_max'"),
        ("name: a, address: 'b:1', version: 4, \(inward)", "46: error: 'version' must be one of 3.1.1, 5, not '4' (did you mean '5'?)"),
        ("name: a, address: 'b:1', listener: device, \(inward)", "37: error: no listener 'device' speaks MQTT (did you mean 'devices'?)"),
        ("name: a, address: 'b:1', filters: x, \(inward)", "37: error: unknown key 'filters' in a bridge"),
    ])
    func aMistakeIsToldAtItsPlace(_ bridge: String, _ problem: String) {
        #expect(read("bridges: [{\(bridge)}]").problems == [problem])
    }

    @Test func whatIsDangerousIsWarnedOf() {
        let problems = read("bridges: [{name: a, address: 'b:1', clean: true, tls: { check_name: false }, \(Self.inward)}]").problems
        #expect(problems.count == 2 && problems.allSatisfy { $0.contains("warning: ") })
    }

    @Test func namesDiffer() {
        let one = "{name: a, address: 'b:1', \(Self.inward)}"
        #expect(read("bridges: [\(one), \(one)]").problems.last?.hasSuffix("two bridges are named 'a'") == true)
    }
}

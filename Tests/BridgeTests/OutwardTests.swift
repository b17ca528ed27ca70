import Bridge
import Foundation
import Testing

/// Messages of ours, and the connection they need.
@Suite(.timeLimit(.minutes(10))) struct OutwardTests {
    private func message(_ text: String, retained: Bool = false) -> OutwardMessage {
        OutwardMessage(topic: "shop/orders/1/status", payload: Array(text.utf8), isRetained: retained, expirySeconds: 60, contentType: "application/json")
    }

    @Test(arguments: [BridgeOptions.Version.v5, .v311])
    func whatIsPublishedIsAcknowledgedAndArrives(_ version: BridgeOptions.Version) async throws {
        let broker = try Mosquitto()
        let bridge = try Bridge.open(.to(broker, version, filters: []))
        defer { bridge.close() }
        try await bridge.ready()
        let lines = try await broker.listen(count: 2, "-t", "shop/#", "-q", "1") {
            #expect(await bridge.publish(message("one")) == .acknowledged)
            #expect(await bridge.publish(message("two", retained: true)) == .acknowledged)
        }
        #expect(lines == ["one", "two"])
        let late = try await broker.listen(count: 1, "-t", "shop/#", "-F", "%r %p") {}
        #expect(late == ["1 two"])
        #expect(bridge.figures.published == 2 && bridge.figures.publishing == 0)
    }

    @Test func manyAtOnceAllArrive() async throws {
        let broker = try Mosquitto()
        let bridge = try Bridge.open(.to(broker, filters: []))
        defer { bridge.close() }
        try await bridge.ready()
        let lines = try await broker.listen(count: 64, "-t", "shop/#", "-q", "1") {
            await withTaskGroup(of: Publication.self) { group in
                for i in 0..<64 { group.addTask { await bridge.publish(message("\(i)")) } }
                for await publication in group { #expect(publication == .acknowledged) }
            }
        }
        #expect(Set(lines).count == 64)
    }

    @Test func whereTheBrokerIsAwayItIsSaidAtOnceAndItComesBack() async throws {
        let (broker, notebook) = (try Mosquitto(), Notebook())
        let bridge = try Bridge.open(.to(broker), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        broker.stop()
        try await until("it has noticed") { !bridge.figures.isConnected }
        #expect(await bridge.publish(message("lost")) == .unavailable)
        try broker.start()
        try await bridge.ready()
        #expect(await bridge.publish(message("back")) == .acknowledged)
        // Its session is there, and takes messages again.
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "again")
        try await until("the message") { bridge.figures.taken == 1 }
        #expect(notebook.sessionsPresent == [false, true])
    }

    @Test func theSessionKeepsWhatComesMeanwhile() async throws {
        for version in [BridgeOptions.Version.v5, .v311] {
            let broker = try Mosquitto()
            let first = try Bridge.open(.to(broker, version))
            try await first.ready()
            first.close()
            for i in 0..<30 { try broker.publish("-t", "iot/a", "-q", "1", "-m", "\(i)") }
            let notebook = Notebook()
            let second = try Bridge.open(.to(broker, version), notebook)
            defer { second.close() }
            try await until("all of them") { second.figures.taken == 30 }
            #expect(notebook.payloads == (0..<30).map(String.init))
        }
    }

    @Test func aNameAndPasswordAreChecked() async throws {
        let broker = try Mosquitto(["allow_anonymous false"]) { folder in
            let file = folder.appending(path: "passwords")
            try #require(try Child("/usr/bin/mosquitto_passwd", ["-b", "-c", file.path, "gateway", "right"]).end())
            return ["password_file \(file.path)"]
        }
        var options = BridgeOptions.to(broker)
        options.username = "gateway"
        options.password = "right"
        let good = try Bridge.open(options)
        try await good.ready()
        good.close()
        options.password = "wrong"
        let notebook = Notebook()
        let bad = try Bridge.open(options, notebook)
        defer { bad.close() }
        try await until("it is refused") { notebook.notes.contains { if case .refused = $0 { true } else { false } } }
        #expect(!bad.figures.isConnected)
    }

    @Test func aFilterThatIsNotGrantedIsTold() async throws {
        let broker = try Mosquitto(["allow_anonymous true"]) { folder in
            let file = folder.appending(path: "acl")
            try "topic read iot/open/#\n".write(to: file, atomically: true, encoding: .utf8)
            return ["acl_file \(file.path)"]
        }
        let notebook = Notebook()
        let bridge = try Bridge.open(.to(broker, filters: ["iot/#/none", "iot/open/#"]), notebook)
        defer { bridge.close() }
        try await bridge.ready()
        #expect(bridge.figures.refusedFilters == 1 && notebook.notes.contains(.filterRefused("iot/#/none")))
        #expect(bridge.figures.isConnected)
        // What the broker will not have published is refused, not lost.
        #expect(await bridge.publish(message("no")) == .refused(reason: 0x87))
    }

    @Test func certificatesAreChecked() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bridge-tls-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let made = try Certificates.make(in: folder)
        func broker(_ chain: String, _ key: String) throws -> Mosquitto {
            try Mosquitto(["allow_anonymous true", "certfile \(chain)", "keyfile \(key)"])
        }
        func options(_ broker: Mosquitto, _ authority: String, checksName: Bool = true) -> BridgeOptions {
            var options = BridgeOptions.to(broker)
            var tls = BridgeOptions.TLS()
            tls.authorities = authority
            tls.checksName = checksName
            options.tls = tls
            return options
        }
        let (ours, foreign) = (try broker(made.chain, made.key), try broker(made.foreignChain, made.foreignKey))
        let good = try Bridge.open(options(ours, made.authority))
        try await good.ready()
        let lines = try await { () async throws -> Publication in await good.publish(message("one")) }()
        #expect(lines == .acknowledged)
        good.close()
        let unnamed = try Bridge.open(options(foreign, made.authority, checksName: false))
        try await unnamed.ready()
        unnamed.close()
        for refused in [options(ours, made.other), options(foreign, made.authority)] {
            let bridge = try Bridge.open(refused)
            try await until("it is tried again") { bridge.figures.losses >= 2 }
            #expect(bridge.figures.connects == 0)
            bridge.close()
        }
        #expect(throws: BridgeFault.self) { try Bridge.open(options(ours, "/nowhere.pem")) }
    }

    /// However the broker behaves, closing does not wait for it.
    @Test func closingDoesNotWait() async throws {
        let broker = try Mosquitto()
        let silent = try Bridge.open(.to(broker), Notebook { _, _ in try? await Task.sleep(for: .seconds(300)); return .taken })
        try await silent.ready()
        try broker.publish("-t", "iot/a", "-q", "1", "-m", "slow")
        try await until("it has begun") { silent.figures.unsettled == 1 }
        let begin = ContinuousClock.now
        silent.close()
        silent.close()
        #expect(ContinuousClock.now - begin < .seconds(60))
        #expect(await silent.publish(message("late")) == .unavailable)
    }
}

import Foundation
import Synchronization
import Testing

/// A real mosquitto on the loopback, stopped with the object.
final class Mosquitto {
    let folder: URL
    let port: UInt16
    private let lines: [String]
    private var process: Child?

    /// - Parameter lines: of its configuration, besides the listener.
    init(_ lines: [String] = ["allow_anonymous true"], files: (URL) throws -> [String] = { _ in [] }) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "bridge-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        port = try Self.freePort()
        self.lines = lines + (try files(folder))
        try start()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    func start() throws {
        let text = [
            "listener \(port) 127.0.0.1", "user \(NSUserName())", "persistence true", "persistence_location \(folder.path)/",
            "max_inflight_messages 20",
        ] + lines
        let path = folder.appending(path: "mosquitto.conf")
        try text.joined(separator: "\n").appending("\n").write(to: path, atomically: true, encoding: .utf8)
        let known = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
        let program = try #require(known.first { access($0, X_OK) == 0 }, "mosquitto is not installed")
        let process = try Child(program, ["-c", path.path])
        self.process = process
        let end = Date.now + 60
        while !Self.answers(port) {
            try #require(Date.now < end && process.isRunning, "mosquitto does not answer")
            usleep(10_000)
        }
    }

    /// In order: it writes down what sessions there are.
    func stop() {
        process?.stop()
        process = nil
    }

    /// `mosquitto_pub` to its end; true = it ended well.
    @discardableResult
    func publish(_ arguments: String...) throws -> Bool { try publish(arguments, nil) }

    /// Each line of a file as a message with QoS 1.
    func publishLines(_ file: URL, topic: String) throws {
        try #require(try publish(["-t", topic, "-q", "1", "-l"], file.path))
    }

    private func publish(_ arguments: [String], _ input: String?) throws -> Bool {
        try Child("/usr/bin/mosquitto_pub", ["-h", "127.0.0.1", "-p", "\(port)"] + arguments, input: input ?? "/dev/null").end()
    }

    /// What `mosquitto_sub` prints until it has `count` messages, or a minute is over. `meanwhile` begins when it listens.
    func listen(count: Int, _ arguments: String..., meanwhile: () async throws -> Void) async throws -> [String] {
        // What the broker has kept for a filter comes with its SUBACK.
        try publish("-t", "listens", "-r", "-m", "listens")
        let client = try Child(
            "/usr/bin/mosquitto_sub", ["-h", "127.0.0.1", "-p", "\(port)", "-C", "\(count + 1)", "-W", "60"] + arguments + ["-t", "listens"])
        let before = client.text(through: "listens\n")
        try await meanwhile()
        let text = before + client.text()
        client.end()
        return text.split(separator: "\n").filter { !$0.hasSuffix("listens") }.map(String.init)
    }

    private static func answers(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return withAddress(port) { connect(descriptor, $0, $1) } == 0
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        try #require(withAddress(0) { bind(descriptor, $0, $1) } == 0)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        try #require(result == 0)
        return UInt16(bigEndian: address.sin_port)
    }

    private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

/// Certificates for the loopback, made once for all tests with `openssl`.
struct Certificates: Sendable {
    let authority, other, chain, key, foreignChain, foreignKey: String

    static func make(in folder: URL) throws -> Certificates {
        func path(_ name: String) -> String { folder.appending(path: name).path }
        func authority(_ name: String) throws {
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                "-keyout", path(name + ".key"), "-out", path(name + ".pem"))
        }
        func server(_ name: String, _ subject: String) throws {
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                "-addext", "subjectAltName=\(subject)", "-addext", "basicConstraints=critical,CA:FALSE", "-CA", path("authority.pem"),
                "-CAkey", path("authority.key"), "-keyout", path(name + ".key"), "-out", path(name + ".pem"))
        }
        try authority("authority")
        try authority("other")
        try server("server", "IP:127.0.0.1")
        try server("foreign", "DNS:elsewhere.example")
        return Certificates(
            authority: path("authority.pem"), other: path("other.pem"), chain: path("server.pem"), key: path("server.key"),
            foreignChain: path("foreign.pem"), foreignKey: path("foreign.key"))
    }

    private static func openssl(_ arguments: String...) throws {
        try #require(try Child("/usr/bin/openssl", arguments).end(), "openssl \(arguments.joined(separator: " "))")
    }
}

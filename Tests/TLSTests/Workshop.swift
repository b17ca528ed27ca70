import Foundation
import Testing

@testable import TLS

/// Certificates made by the openssl program in a folder that goes away.
final class Workshop {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "nexus-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try key("ca")
        try run(
            "req", "-x509", "-new", "-key", path("ca.key"), "-days", "30", "-subj", "/CN=authority", "-addext",
            "keyUsage=critical,keyCertSign", "-out", path("ca.crt"))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// A leaf signed by the workshop's authority.
    @discardableResult
    func issue(_ name: String, _ alternatives: String?, subject: String? = nil, days: Int = 30) throws -> TLSCertificateFiles {
        try key(name)
        try run("req", "-new", "-key", path("\(name).key"), "-subj", subject ?? "/CN=\(name)", "-out", path("\(name).csr"))
        let extensions = "basicConstraints=critical,CA:FALSE\n" + (alternatives.map { "subjectAltName=\($0)\n" } ?? "")
        try extensions.write(toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
        try run(
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial",
            "-days", "\(days)", "-extfile", path("\(name).ext"), "-out", path("\(name).crt"))
        return TLSCertificateFiles(chain: path("\(name).crt"), key: path("\(name).key"))
    }

    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }

    private func key(_ name: String) throws {
        try run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path("\(name).key"))
    }

    private func run(_ words: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + words
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(words.joined(separator: " "))")
    }
}

import Foundation

/// The repository this test was compiled from, read from disk.
struct Repository: Sendable {
    struct File: Sendable {
        /// Relative to the root.
        let path: String
        let lines: [String]

        var name: String { String(path.split(separator: "/").last ?? "") }
        /// `Sources/<room>/…`: the room.
        var room: String { String(path.split(separator: "/").dropFirst().first ?? "") }

        /// Is there a comment in the lines directly above line `i`?
        func isExplained(at i: Int) -> Bool {
            (max(0, i - 4)..<i).contains { lines[$0].trimmingCharacters(in: .whitespaces).hasPrefix("//") }
        }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Files below `folders` with one of the extensions, in the order of their paths.
    static func files(_ folders: [String], _ extensions: Set<String>) -> [File] {
        var found: [File] = []
        for folder in folders {
            let start = root.appending(path: folder)
            guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil) else { continue }
            for case let url as URL in walk where extensions.contains(url.pathExtension) {
                guard let text = try? String(contentsOf: url, encoding: .utf8) else { continue }
                let path = String(url.path(percentEncoded: false).dropFirst(root.path(percentEncoded: false).count))
                found.append(File(path: path, lines: text.components(separatedBy: "\n")))
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    static let sources = files(["Sources"], ["swift"])
    static let manifest = (try? String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)) ?? ""

    /// What Package.swift says: targets with the targets and products they depend on.
    static let dependencies: [String: Set<String>] = {
        var found: [String: Set<String>] = [:]
        let declaration = /(?:room|tests)\(\s*"([A-Za-z]+)"(?:,\s*\[([^\]]*)\])?/
        let executable = /name:\s*"([a-z-]+)",\s*dependencies:\s*\[([^\]]*)\]/
        func names(_ list: Substring) -> Set<String> {
            Set(list.matches(of: /"([A-Za-z0-9]+)"|\b(yams|arguments)\b/).map { match in
                if let quoted = match.output.1 { return String(quoted) }
                return match.output.2 == "yams" ? "Yams" : "ArgumentParser"
            })
        }
        for match in manifest.matches(of: declaration) { found[String(match.1)] = names(match.2 ?? "") }
        for match in manifest.matches(of: executable) { found[String(match.1)] = names(match.2) }
        for match in manifest.matches(of: /\.(?:target|systemLibrary)\(name:\s*"(C[A-Za-z0-9]+)"/) {
            found[String(match.1)] = []
        }
        return found
    }()

    /// Paths git knows; nil when this is no git checkout.
    static let tracked: [String]? = {
        let git = Process()
        git.executableURL = URL(filePath: "/usr/bin/env")
        git.arguments = ["git", "-C", root.path(percentEncoded: false), "ls-files", "-z"]
        let output = Pipe()
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        git.standardInput = FileHandle.nullDevice
        guard (try? git.run()) != nil else { return nil }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { return nil }
        return String(decoding: data, as: UTF8.self).split(separator: "\0").map(String.init)
    }()
}

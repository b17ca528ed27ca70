import Foundation
import Testing

/// Imports point down only (docs/architecture.md). Package.swift says who may import whom; the order
/// here says which way is down.
@Suite struct ImportTests {
    /// Rooms from the ground up: each may depend on those before it, never on those behind it.
    static let order = [
        "CShim", "CSQLite", "CCares", "COpenSSL", "CZlib", "CNghttp2", "CMosquitto", "Threads", "Exchanges", "Reactor", "TLS", "Settings", "Routes", "Policies", "WireHTTP", "WireGRPC", "WireMQTT",
        "Topics", "Contracts", "OpenAPI", "JOSE", "Identity", "EventCore", "Bus", "Sagas", "Adapters", "Bridge", "Stores", "Telemetry", "Pipeline", "Gateway", "nexus-gateway",
    ]
    /// Modules that are nobody's room.
    static let system: Set<String> = ["Glibc", "Synchronization", "RegexBuilder"]
    /// Rooms off the request path that may use Foundation.
    static let foundation: Set<String> = []

    static func imports(_ file: Repository.File) -> [(line: Int, module: String)] {
        file.lines.enumerated().compactMap { number, line in
            guard let match = line.firstMatch(of: /^\s*(?:@\w+\s+)?(?:public |package |internal |private |fileprivate )?import\s+(?:struct |class |enum |func )?(\w+)/)
            else { return nil }
            return (number + 1, String(match.1))
        }
    }

    @Test func dependenciesPointDown() throws {
        for (room, dependencies) in Repository.dependencies {
            guard let height = Self.order.firstIndex(of: room) else { continue }
            for dependency in dependencies {
                guard let depth = Self.order.firstIndex(of: dependency) else { continue }
                #expect(depth < height, "Package.swift: \(room) must not depend on \(dependency)")
            }
        }
    }

    @Test func everyImportIsDeclared() {
        #expect(!Repository.sources.isEmpty)
        for file in Repository.sources {
            let declared = Repository.dependencies[file.room] ?? []
            for (line, module) in Self.imports(file) where !Self.system.contains(module) {
                let isAllowed =
                    declared.contains(module) || (module == "Foundation" && Self.foundation.contains(file.room))
                #expect(isAllowed, "\(file.path):\(line): \(file.room) must not import \(module)")
            }
        }
    }

    @Test func everyFolderIsARoomAndEveryRoomAFolder() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Repository.root.appending(path: "Sources").path)
        for folder in folders {
            #expect(Repository.dependencies[folder] != nil, "Sources/\(folder) is no target of Package.swift")
            #expect(Self.order.contains(folder), "Sources/\(folder) has no place in the order of rooms")
        }
        for room in Self.order { #expect(folders.contains(room), "no folder for \(room)") }
    }

    /// The reader of Package.swift above must not silently read nothing.
    @Test func theManifestWasUnderstood() {
        #expect(Repository.dependencies["Exchanges"] == [])
        #expect(Repository.dependencies["Reactor"]?.contains("CShim") == true)
        #expect(Repository.dependencies["Settings"]?.contains("Yams") == true)
        #expect(Repository.dependencies["nexus-gateway"]?.contains("Gateway") == true)
    }
}

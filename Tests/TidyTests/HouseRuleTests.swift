import Foundation
import Testing

/// The house rules that a machine can check.
@Suite struct HouseRuleTests {
    static let code = Repository.files(["Sources", "Tests", "Benchmarks"], ["swift", "py", "c", "h"])
        .filter { !$0.path.hasPrefix("Tests/TidyTests/") }

    @Test func noFileIsLongerThan700Lines() {
        for file in Self.code { #expect(file.lines.count <= 701, "\(file.path) has \(file.lines.count) lines") }
    }

    @Test func nothingIsLeftUnfinished() {
        for file in Self.code {
            for (i, line) in file.lines.enumerated() {
                let mark = line.firstMatch(of: /\b(TODO|FIXME|XXX)\b/)
                #expect(mark == nil, "\(file.path):\(i + 1): \(line)")
            }
        }
    }

    /// What switches a check of the compiler off says why, in a comment directly above.
    @Test func whatIsUncheckedIsExplained() {
        for file in Repository.sources {
            for (i, line) in file.lines.enumerated() {
                guard line.contains(/@unchecked Sendable|nonisolated\(unsafe\)|\btry!|\bfatalError\(|\bunsafeBitCast\b/)
                else { continue }
                #expect(file.isExplained(at: i), "\(file.path):\(i + 1): say why: \(line)")
            }
        }
    }

    /// Where pointers may have names outside Reactor, Stores and the C glue, and why.
    static let pointerFiles: [String: String] = [
        "Sources/Exchanges/Buffer.swift": "the kernel writes into it; every access from outside is bounds-checked",
        "Sources/Exchanges/BufferPool.swift": "keeps the storage of buffers that are empty",
        "Sources/Exchanges/Slice.swift": "compares with constant text, a word at a time",
        "Sources/Policies/LimitSlots.swift": "pages of the kernel's, that become resident only where a key is put",
        "Sources/Telemetry/WorkerMeters.swift": "reaches counters that live for ever without counting references",
        "Sources/WireHTTP/HTTP2Session.swift": "nghttp2's session, and the bytes it lends for a moment",
        "Sources/WireHTTP/HTTP2Callbacks.swift": "nghttp2 calls C functions with pointers to what was left with it",
        "Sources/WireHTTP/HTTP2Memory.swift": "is nghttp2's malloc",
        "Sources/WireHTTP/HTTP2FieldBlock.swift": "hands names and values to nghttp2, which copies them",
        "Sources/WireGRPC/GRPCInflation.swift": "zlib reads a message and writes another",
        "Sources/Contracts/Protobuf/WireWriter.swift": "moves what a length that has grown stands before",
        "Sources/JOSE/Hash.swift": "OpenSSL's digests, fetched once",
        "Sources/JOSE/PublicKey.swift": "OpenSSL's keys, and what checks signatures with them",
        "Sources/JOSE/PreparedPoint.swift": "OpenSSL's points and numbers",
        "Sources/JOSE/PreparedModulus.swift": "OpenSSL's numbers",
        "Sources/JOSE/PrivateKey.swift": "OpenSSL's keys, which sign",
        "Sources/JOSE/Secret.swift": "OpenSSL's HMAC",
        "Sources/JOSE/EVPKeys.swift": "hands the numbers of a key to OpenSSL",
        "Sources/JOSE/NewKeys.swift": "takes the numbers of a key from OpenSSL",
        "Sources/Bridge/MosquittoClient.swift": "libmosquitto's client, and the bytes it lends to its callbacks",
        "Sources/Threads/NamedThread.swift": "threads start through a C callback",
        "Sources/Threads/Bell.swift": "a semaphore needs a fixed address",
        "Sources/EventCore/EventId.swift": "reads an id out of a row without copying it first",
    ]

    @Test func pointersStayInTheirRooms() {
        let rooms: Set<String> = ["Reactor", "TLS", "Stores", "CShim", "CSQLite", "CCares", "COpenSSL", "CZlib", "CNghttp2", "CMosquitto"]
        for file in Repository.sources where !rooms.contains(file.room) && Self.pointerFiles[file.path] == nil {
            for (i, line) in file.lines.enumerated() {
                // Scoped forms (`withUnsafeBytes { write(…) }`) hand bytes to the kernel and end there.
                let mark = line.firstMatch(of: /\bUnsafe\w*Pointer\b|\bUnmanaged\b|\bOpaquePointer\b/)
                #expect(mark == nil, "\(file.path):\(i + 1): \(line)")
            }
        }
    }

    @Test func namesSayWhatThingsAre() {
        for file in Repository.sources {
            #expect(!file.name.contains(/Manager|Helper|Util/), "\(file.path)")
            for (i, line) in file.lines.enumerated() {
                let vague = line.firstMatch(of: /\b(?:class|struct|enum|protocol|actor|typealias)\s+\w*(?:Manager|Helper|Util)\w*/)
                #expect(vague == nil, "\(file.path):\(i + 1): \(line)")
            }
        }
    }

    /// The project's text holds no path of one developer's machine.
    @Test func pathsOfOneMachineStayOut() {
        let documents = Repository.files(["docs", "config", "routes", "certs", ".ci"], ["md", "yaml", "service", "sh"])
        for file in Self.code + documents {
            for (i, line) in file.lines.enumerated() {
                let path = line.firstMatch(of: /(?:^|[^\w\/.])\/(?:home|root|Users|work)\/\w/)
                #expect(path == nil, "\(file.path):\(i + 1): \(line)")
            }
        }
    }

    @Test func nothingIsTrackedThatShouldNotBe() throws {
        guard let tracked = Repository.tracked else { return }  // an archive, not a checkout
        for path in tracked {
            #expect(
                !path.contains(/(^|\/)\.build|\.(pem|key|crt|p12|sqlite|db|db-wal|o|so|a|pyc)$|Package\.resolved$/),
                "\(path) must not be tracked")
            let size = try? Repository.root.appending(path: path).resourceValues(forKeys: [.fileSizeKey]).fileSize
            #expect((size ?? 0) < 1_000_000, "\(path) is \(size ?? 0) bytes")
        }
    }

    @Test func decisionsAreNumberedWithoutGaps() throws {
        let folder = Repository.root.appending(path: "docs/adr")
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".md") }.sorted()
        for (i, name) in files.enumerated() {
            let number = String(format: "%04d", i + 1)
            #expect(name.wholeMatch(of: /\d{4}-[a-z0-9-]+\.md/) != nil, "docs/adr/\(name)")
            #expect(name.hasPrefix(number + "-"), "docs/adr/\(name) should be number \(number)")
            let title = try String(contentsOf: folder.appending(path: name), encoding: .utf8).split(separator: "\n").first ?? ""
            #expect(title.hasPrefix("# ") && title.contains(number), "docs/adr/\(name) should begin with its number and title")
        }
    }

    /// A link in a document leads somewhere.
    @Test func relativeLinksLeadSomewhere() {
        var documents = Repository.files(["docs", "Benchmarks"], ["md"])
        documents += Repository.files(["."], ["md"]).filter { !$0.path.contains("/") }
        for file in documents {
            let base = Repository.root.appending(path: file.path).deletingLastPathComponent()
            for (i, line) in file.lines.enumerated() {
                for match in line.matches(of: /\]\(([^)#:\s]+)(?:#[^)]*)?\)/) {
                    let target = base.appending(path: String(match.1))
                    #expect(FileManager.default.fileExists(atPath: target.path), "\(file.path):\(i + 1): \(match.1)")
                }
            }
        }
    }
}

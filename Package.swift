// swift-tools-version: 6.2
import PackageDescription

/// One set of language rules for every target: Swift 6 mode, warnings are errors, and the
/// upcoming features that make imports and existentials explicit.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Rooms on the request path: state there belongs to one loop, and the dynamic exclusivity checks
/// cost a seventh of a proxied request (docs/adr/0002). Debug builds, and so the tests, keep them.
let requestPath: [SwiftSetting] =
    house + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

func room(_ name: String, _ dependencies: [Target.Dependency] = [], _ settings: [SwiftSetting] = house) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: house)
}

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "nexus-gateway",
    products: [
        .executable(name: "nexus-gateway", targets: ["nexus-gateway"])
    ],
    dependencies: [
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // C: the system libraries, and one shim for what the importer cannot see.
        .target(name: "CShim"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),

        // Threads, and what wakes them.
        room("Threads", ["CShim"]),
        // The nouns.
        room("Exchanges", [], requestPath),
        // The machine: loop, poller, timers, mailbox, sockets, names.
        room("Reactor", ["CShim", "CCares", "Threads", "Exchanges"], requestPath),
        // TLS directly on the socket: contexts, certificates, the layer under a codec.
        room("TLS", ["COpenSSL", "Exchanges", "Reactor"], requestPath),
        // Files with positions and diagnostics; the daemon's own configuration.
        room("Settings", ["Exchanges", yams]),
        // The routing table.
        room("Routes", ["Exchanges", "Settings"], requestPath),
        // One file a stage.
        room("Policies", ["Exchanges"], requestPath),
        // HTTP/1.1 and HTTP/2, sans I/O.
        room("WireHTTP", ["CNghttp2", "Exchanges"], requestPath),
        // gRPC: statuses, framing, deadlines; gRPC-Web. Sans I/O.
        room("WireGRPC", ["CZlib", "Exchanges"], requestPath),
        // MQTT 3.1.1 and 5.0: packets, topics. Sans I/O.
        room("WireMQTT", ["Exchanges"], requestPath),
        // Who subscribes to what: sessions, their queues, retained messages.
        room("Topics", ["Threads", "Exchanges", "WireMQTT"]),
        // JSON, and protobuf: descriptors, and messages as JSON.
        room("Contracts", ["Exchanges"], requestPath),
        // The HTTP surface in OpenAPI's words, and what changes of it break.
        room("OpenAPI", ["Exchanges", "Settings", "Routes", "Contracts"]),
        // Signed tokens and their keys (RFC 7515, 7517, 7518, 7519, 8037). Sans I/O.
        room("JOSE", ["CShim", "COpenSSL", "Exchanges", "Contracts"], requestPath),
        // Who asks: issuers and their key sets, tokens that were seen before, credentials that were revoked.
        room("Identity", ["Exchanges", "Settings", "Contracts", "Policies", "JOSE"], requestPath),
        // Events, aggregates, commands; the log with a single writer.
        room("EventCore", ["Threads", "Contracts", "Exchanges"]),
        // Consumers of the log: checkpoints, retries, what could not be delivered.
        room("Bus", ["Exchanges", "Contracts", "EventCore"]),
        // Processes over several aggregates and services: definitions, the orchestrator, durable timers.
        room("Sagas", ["Exchanges", "Settings", "Contracts", "EventCore", "Bus"]),
        // What the core calls: the legacy services, as the sagas' operations; checkout.
        room("Adapters", ["CShim", "COpenSSL", "Exchanges", "Settings", "WireGRPC", "Contracts", "EventCore", "Bus", "Sagas", "WireMQTT", "Topics"]),
        // Outside MQTT brokers, spoken to with libmosquitto.
        room("Bridge", ["CMosquitto", "COpenSSL", "CShim", "Threads"]),
        // Where events are kept: SQLite.
        room("Stores", ["CSQLite", "CShim", "Threads", "Exchanges", "EventCore", "Contracts", "WireMQTT", "Topics"]),
        // Counters, histograms, access log.
        room("Telemetry", ["CShim", "Threads", "Exchanges"], requestPath),
        // The worker's advance/settle loop.
        room("Pipeline", ["Exchanges", "Policies", "Routes", "Telemetry"], requestPath),
        // Listeners, connections, upstream pools: joins the wire to the pipeline.
        room(
            "Gateway",
            [
                "CShim", "Threads", "Exchanges", "Reactor", "TLS", "Settings", "Routes", "Policies", "WireHTTP", "WireGRPC",
                "WireMQTT", "Topics", "Contracts", "OpenAPI", "JOSE", "Identity", "EventCore", "Telemetry", "Pipeline",
            ], requestPath),
        .executableTarget(
            name: "nexus-gateway",
            dependencies: [
                "CShim", "Threads", "Exchanges", "Reactor", "TLS", "Settings", "Routes", "WireHTTP", "Contracts", "OpenAPI", "JOSE", "Identity", "EventCore", "Bus", "Sagas",
                "Adapters", "Bridge", "Stores", "WireMQTT", "Topics", "Telemetry", "Pipeline", "Gateway", arguments,
            ],
            swiftSettings: house),
        // Measures the store and the log without HTTP (`make bench`).
        .executableTarget(
            name: "store-bench", dependencies: ["Threads", "EventCore", "Bus", "Stores", "Contracts", "Exchanges", "Topics", "WireMQTT"], path: "Benchmarks/store-bench",
            swiftSettings: house),
        // Measures tokens without HTTP.
        .executableTarget(name: "jose-bench", dependencies: ["JOSE"], path: "Benchmarks/jose-bench", swiftSettings: house),

        // Puts messages through the transcoder for the conformance tests.
        .executableTarget(
            name: "message-filter", dependencies: ["Contracts", "Exchanges"], path: "Tests/MessageFilter",
            swiftSettings: house),

        // Holds texts to schemas for the conformance tests.
        .executableTarget(name: "schema-filter", dependencies: ["Contracts"], path: "Tests/SchemaFilter", swiftSettings: house),

        // A gateway in a process that makes calls of its own, for tests over the wire.
        .executableTarget(
            name: "call-out",
            dependencies: ["Exchanges", "Reactor", "TLS", "Settings", "Routes", "Contracts", "EventCore", "Stores", "Telemetry", "Gateway"],
            path: "Tests/CallOut", swiftSettings: house),

        // What tests share.
        .target(name: "Seeded", path: "Tests/Seeded", swiftSettings: house),
        .target(
            name: "HTTP2Scripts", dependencies: ["WireHTTP", "Exchanges"], path: "Tests/HTTP2Scripts", swiftSettings: house),
        .target(
            name: "MemoryStores", dependencies: ["EventCore", "Bus"], path: "Tests/MemoryStores", swiftSettings: house),
        .target(name: "ProtoSets", path: "Tests/ProtoSets", swiftSettings: house),
        tests("ExchangesTests", ["Seeded", "Exchanges"]),
        tests("ReactorTests", ["Seeded", "Threads", "Reactor", "Exchanges", "CShim"]),
        tests("TLSTests", ["COpenSSL", "TLS", "Reactor", "Exchanges"]),
        tests("SettingsTests", ["Settings"]),
        tests("RoutesTests", ["Seeded", "Routes", "Settings", "Exchanges"]),
        tests("PoliciesTests", ["Policies", "Exchanges"]),
        tests("PipelineTests", ["Pipeline", "Routes", "Settings", "Policies", "Exchanges", "WireHTTP"]),
        tests("WireHTTPTests", ["Seeded", "HTTP2Scripts", "WireHTTP", "Exchanges"]),
        tests("WireGRPCTests", ["Seeded", "WireGRPC", "Exchanges"]),
        tests("WireMQTTTests", ["Seeded", "WireMQTT", "Exchanges"]),
        tests("TopicsTests", ["Seeded", "Topics", "WireMQTT", "Exchanges"]),
        tests("BridgeTests", ["Bridge"]),
        tests("ContractsTests", ["Seeded", "ProtoSets", "Contracts", "Exchanges"]),
        tests("OpenAPITests", ["OpenAPI", "Contracts"]),
        tests("JOSETests", ["Seeded", "COpenSSL", "JOSE", "Contracts", "Exchanges"]),
        tests("IdentityTests", ["Seeded", "Identity", "JOSE", "Settings", "Policies", "Contracts", "Exchanges"]),
        tests("EventCoreTests", ["Seeded", "Threads", "EventCore", "Contracts", "Exchanges"]),
        tests("BusTests", ["MemoryStores", "Seeded", "Bus", "EventCore", "Stores", "Contracts", "Exchanges"]),
        tests("SagasTests", ["MemoryStores", "Seeded", "Sagas", "Bus", "EventCore", "Contracts", "Settings", "Exchanges"]),
        tests("AdaptersTests", ["MemoryStores", "Seeded", "Adapters", "Sagas", "Bus", "Stores", "WireGRPC", "EventCore", "Contracts", "Settings", "Exchanges", "WireMQTT", "Topics"]),
        tests("StoresTests", ["MemoryStores", "Threads", "CSQLite", "Stores", "EventCore", "Contracts", "Exchanges", "Topics", "WireMQTT"]),
        tests("TelemetryTests", ["Telemetry", "Exchanges"]),
        tests(
            "GatewayTests",
            ["Seeded", "Gateway", "Settings", "Exchanges", "Policies", "Pipeline", "Reactor", "Routes", "Contracts", "EventCore", "WireGRPC", "WireMQTT", "Topics"]),
        tests("TidyTests", []),
    ]
)

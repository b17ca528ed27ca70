public import Contracts
public import Routes
import Settings

/// The public HTTP surface in the words of OpenAPI 3.1: what the routes of every listener but the admin one take and
/// answer. Made of the routing table and the contracts, and of nothing else: the same files give the same bytes.
public struct APIDescription: Sendable {
    public let document: JSONValue
    /// JSON.
    public let text: [UInt8]

    /// What it is made of beside the routes.
    public struct Sources {
        public var schema: ProtoSchema?
        /// JSON Schemas by command.
        public var commands: [String: JSONValue]
        /// JSON Schemas by the path of their file.
        public var files: [String: JSONValue]

        public init(schema: ProtoSchema?, commands: [String: JSONValue], files: [String: JSONValue]) {
            self.schema = schema
            self.commands = commands
            self.files = files
        }
    }

    public init(_ table: RouteTable, _ sources: Sources) {
        var components = APIComponents(sources)
        var paths = APIPaths()
        var calls: [String] = []
        for route in table.routes where route.match.mqtt == nil && route.match.listeners.contains(where: { $0 != Listener.adminName }) {
            if route.match.grpc {
                // All of a service has a parameter for its method.
                let path = route.match.path
                let service = path.text.dropFirst().prefix { $0 != "/" }
                calls.append(path.captureNames.isEmpty ? String(path.text.dropFirst()) : "\(service)/*")
            } else if !route.match.path.isAsterisk {
                paths.add(route, &components)
            }
        }
        let listed = paths.document
        document = .members([
            "openapi": .string("3.1.0"),
            "info": .members([
                "title": .string("Nexus Gateway"), "version": .string("1"),
                "description": .string("What the routes of this gateway take and answer."),
            ]),
            "paths": listed,
            "components": components.document,
            "x-nexus-grpc": calls.isEmpty ? nil : .texts(Set(calls).sorted()),
        ])
        var writer = JSONWriter([UInt8]())
        document.write(to: &writer)
        text = writer.sink
    }

    /// A number that changes with the text (FNV-1a), and has no more digits than an entity tag may.
    public var version: UInt64 {
        text.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } >> 8
    }
}

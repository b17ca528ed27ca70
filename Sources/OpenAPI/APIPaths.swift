import Contracts
import Routes

/// Operations by path and method. Routes that differ in host, fields or query share an operation: it takes what any
/// of them takes.
struct APIPaths {
    private struct Item {
        /// As the first of its routes writes it: others may have other names for the same parameters.
        var path: String
        var names: [String]
        var operations: [(method: String, operation: APIOperation)] = []
        var otherMethods: Set<String> = []
    }

    private var items: [String: Item] = [:]
    /// Methods that OpenAPI has a place for, in the order they are listed.
    static let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

    mutating func add(_ route: RouteDefinition, _ components: inout APIComponents) {
        let (path, key) = APIPaths.path(route.match.path)
        var item = items[key] ?? Item(path: path, names: route.match.path.captureNames)
        for method in route.methods.isEmpty ? APIPaths.standing(for: route) : route.methods {
            let name = method.lowercased()
            guard APIPaths.methods.contains(name) else {
                item.otherMethods.insert(method)
                continue
            }
            let operation = APIOperation(route, method: name, names: item.names, &components)
            if let place = item.operations.firstIndex(where: { $0.method == name }) {
                item.operations[place].operation.merge(operation)
            } else {
                item.operations.append((name, operation))
            }
        }
        items[key] = item
    }

    /// Of a route that takes any.
    private static func standing(for route: RouteDefinition) -> [String] {
        switch route.target {
        case .command, .anyCommand: ["POST"]
        case .query, .operation: ["GET"]
        case .cluster, .fixed, .topics: ["GET", "PUT", "POST", "DELETE", "PATCH"]
        }
    }

    /// As OpenAPI writes it, and the same without names.
    private static func path(_ template: PathTemplate) -> (String, key: String) {
        var path = ""
        var key = ""
        for segment in template.segments {
            switch segment {
            case .literal(let bytes):
                path += "/" + String(decoding: bytes, as: UTF8.self)
                key += "/" + String(decoding: bytes, as: UTF8.self)
            case .parameter(let name), .rest(let name):
                path += "/{\(name)}"
                key += "/{}"
            }
        }
        return (path, key)
    }

    /// Sorted by path.
    var document: JSONValue {
        .object(
            items.values.sorted { $0.path < $1.path }.map { item in
                var members = APIPaths.methods.compactMap { method in
                    item.operations.first { $0.method == method }.map { JSONValue.Member(method, $0.operation.document) }
                }
                if !item.otherMethods.isEmpty {
                    members.append(JSONValue.Member("x-nexus-methods", .texts(item.otherMethods.sorted())))
                }
                return JSONValue.Member(item.path, .object(members))
            })
    }
}

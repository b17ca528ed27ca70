import Exchanges
import Settings

@testable import Routes

/// A request as a codec would leave it: a head and the text it points into.
struct Request {
    var head = Head()
    var text: [UInt8] = []

    init(
        _ method: String, _ path: String, host: String = "localhost", _ headers: [(String, String)] = [], grpc: Bool = false
    ) {
        // Something in front, so that a slice taken from the wrong place shows.
        text = Array("~~".utf8)
        head.method = store(method)
        head.verb = Verb.allCases.first { $0.token == method } ?? .other
        head.path = store(path)
        head.authority = store(host)
        head.dialect = grpc ? .grpc : .http
        for (name, value) in headers {
            let nameText = store(name)
            head.fields.append(
                Field(name: FieldName.intern(Array(name.utf8).span), nameText: nameText, value: store(value)))
        }
    }

    private mutating func store(_ string: String) -> Slice {
        let start = text.count
        text += Array(string.utf8) + [0x7e]
        return Slice(start, text.count - 1)
    }

    func string(_ slice: Slice) -> String { String(decoding: text[slice.range], as: UTF8.self) }
}

/// A configuration with two clusters, one more that speaks HTTP/2, and two listeners beside `admin`.
let twoListeners: Configuration = {
    var configuration = Configuration()
    configuration.listeners = [Listener(name: "public", port: 8080), Listener(name: "partner", port: 8081)]
    configuration.clusters = ["catalogue", "legacy", "shared"].map { name in
        Cluster(name: name, endpoints: [.tcp(.name(name), port: 80)])
    }
    configuration.clusters[2].wireProtocol = .http2
    return configuration
}()

let vocabulary = Vocabulary(commands: ["cart.add", "cart.remove"], queries: ["cart.get"])

/// Compiles one route file; `problems` are in the words of the command line.
func compile(_ text: String) -> (table: RouteTable?, problems: [String]) {
    let diagnostics = Diagnostics()
    let documents = Document.parse(text, file: "r.yaml", diagnostics).map { [$0] } ?? []
    let table = RouteCompiler.compile(documents, twoListeners, vocabulary: vocabulary, diagnostics)
    return (table, diagnostics.sorted.map(\.description))
}

extension RouteTable {
    /// The name of the chosen route with its captures, `405 <methods>` or `404`.
    func decide(_ request: Request, listener: UInt16 = 0) -> String {
        var captures = Captures()
        switch match(request.head, in: request.text.span, listener: listener, captures: &captures) {
        case .route(let number):
            let values = (0..<captures.count).map { request.string(captures[$0]) }
            return ([routes[Int(number)].name] + values).joined(separator: " ")
        case .methodNotAllowed(let methods):
            let buffer = Buffer(capacity: 16)
            appendAllow(methods, into: buffer)
            return "405 " + buffer.withReadable { $0.text }
        case .none: return "404"
        }
    }

    /// The path that goes upstream for a request the table has a route for.
    func upstreamPath(_ request: Request) -> String? {
        var captures = Captures()
        guard case .route(let number) = match(request.head, in: request.text.span, listener: 0, captures: &captures)
        else { return nil }
        let buffer = Buffer(capacity: 16)
        pathRewrite(
            rules[Int(number)].pathRewrite, path: request.head.path, captures: captures, in: request.text.span, into: buffer)
        return buffer.withReadable { $0.text }
    }
}

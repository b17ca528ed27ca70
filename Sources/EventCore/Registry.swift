/// A request that may append events.
public enum Command: Sendable, Equatable {
    case cart(Identifier, CartAction)
}

/// A request that reads.
public enum Query: Sendable, Equatable {
    case cart(Identifier)
}

/// Why a request is not a command or query.
public struct Invalid: Error, Sendable, Equatable {
    public struct Field: Sendable, Equatable {
        /// RFC 6901; `""` is the whole body.
        public var pointer: String
        public var error: String
        public init(_ pointer: String, _ error: String) {
            self.pointer = pointer
            self.error = error
        }
    }

    public var message: String
    public var fields: [Field]

    public init(_ message: String, _ fields: [Field]) {
        self.message = message
        self.fields = fields
    }
}

/// The names a route may give as its target, and what decodes them. A compiled route keeps the index.
public enum Registry {
    public static let commands: [String] = ["cart.add", "cart.remove", "cart.update", "cart.empty"]
    public static let queries: [String] = ["cart.get"]

    public static func command(named name: String) -> Int? { commands.firstIndex(of: name) }
    public static func query(named name: String) -> Int? { queries.firstIndex(of: name) }

    /// The path captures a query needs, in the order `decode` takes them.
    public static func parameters(ofQuery index: Int) -> [String] {
        index == 0 ? ["userId"] : []
    }

    /// The command in a JSON body (proto JSON: camelCase or snake_case names, integers as numbers or
    /// strings, unknown members refused). Pure: runs on a gateway worker.
    public static func decode(command index: Int, body: Span<UInt8>) -> Result<Command, Invalid> {
        CommandDecoder.decode(index, body)
    }

    /// The query with these path captures, percent-decoded; nil for one that is absent.
    public static func decode(query index: Int, parameters: [[UInt8]?]) -> Result<Query, Invalid> {
        guard index == 0, parameters.count == 1 else { return .failure(Invalid("no such query", [])) }
        guard let bytes = parameters[0], let user = Identifier(bytes) else {
            return .failure(Invalid("the request is not valid", [.init("/userId", Identifier.rule)]))
        }
        return .success(.cart(user))
    }
}

extension Identifier {
    static let rule = "must be 1 to 128 bytes of UTF-8 without control characters"
}

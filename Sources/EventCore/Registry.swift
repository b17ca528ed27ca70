/// A request that may append events.
public enum Command: Sendable, Equatable {
    case cart(Identifier, CartAction)
    case inventory(Identifier, InventoryAction)
    case order(Identifier, OrderAction)
    case product(Identifier, ProductAction)
    case flashSale(Identifier, FlashSaleAction)
    case saga(Identifier, SagaAction)
    /// The gateway's own: no route names it.
    case flag(Identifier, FlagAction)
    /// The gateway's own, too.
    case affinity(Identifier, AffinityAction)
}

/// A request that reads.
public enum Query: Sendable, Equatable {
    case cart(Identifier)
    case inventory(Identifier)
    case order(Identifier)
    case product(Identifier)
    case flashSale(Identifier)
    case saga(Identifier)
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
    private static let commandNames =
        CartCommands.commands + InventoryCommands.commands + OrderCommands.commands + ProductCommands.commands
        + FlashSaleCommands.commands
    private static let queryNames =
        CartCommands.queries + InventoryCommands.queries + OrderCommands.queries + ProductCommands.queries
        + FlashSaleCommands.queries
    /// Made once: an array for each request would be an allocation.
    private static let queryParameters = queryNames.map { [$0.parameter] }

    public static let commands = commandNames.map(\.name)
    public static let queries = queryNames.map(\.name)

    public static func command(named name: String) -> Int? { commands.firstIndex(of: name) }
    public static func query(named name: String) -> Int? { queries.firstIndex(of: name) }

    /// The path captures a query needs, in the order `decode` takes them.
    public static func parameters(ofQuery index: Int) -> [String] { queryParameters[index] }

    /// The path captures that may stand in for members of a command's body, in the order `decode` takes them.
    public static func parameters(ofCommand index: Int) -> [String] { commandNames[index].pathParameters }

    /// The command in a JSON body (proto JSON: camelCase or snake_case names, integers as numbers or
    /// strings, unknown members refused). Pure: runs on a gateway worker.
    /// - Parameter parameters: path captures, percent-decoded, of `parameters(ofCommand:)`; nil for one that the
    ///   route does not have. A body that gives such a member too must say the same, and may be empty when the
    ///   path says it all.
    public static func decode(
        command index: Int, body: Span<UInt8>, parameters: [[UInt8]?] = []
    ) -> Result<Request, Invalid> {
        CommandDecoder.decode(commandNames[index], body, captures: parameters)
    }

    /// The query with these path captures, percent-decoded; nil for one that is absent.
    public static func decode(query index: Int, parameters: [[UInt8]?]) -> Result<Query, Invalid> {
        let name = queryNames[index]
        guard let bytes = parameters.first ?? nil, let id = Identifier(bytes) else {
            return .failure(Invalid("the request is not valid", [.init("/" + name.parameter, Identifier.rule)]))
        }
        return .success(name.query(id))
    }
}

extension Identifier {
    static let rule = "must be 1 to 128 bytes of UTF-8 without control characters"
}

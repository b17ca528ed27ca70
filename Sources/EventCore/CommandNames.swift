/// A command's name in routes, and how it is read from a JSON body.
struct CommandName: Sendable {
    let name: String
    /// The path captures that may stand in for members of the body: `orderId` in `/orders/{orderId}/cancel`.
    let pathParameters: [String]
    /// Bodies hold card data: errors tell nothing of what they hold but the names we know.
    let holdsCard: Bool
    /// Nil when a field is wrong, which the decoder has noted.
    let decode: @Sendable (inout CommandDecoder, Span<UInt8>) -> Request?

    init(
        _ name: String, path: [String] = [], _ decode: @escaping @Sendable (inout CommandDecoder, Span<UInt8>) -> Command?
    ) {
        self.name = name
        pathParameters = path
        holdsCard = false
        self.decode = { decoder, text in decode(&decoder, text).map { .command($0) } }
    }

    init(
        checkout name: String, path: [String] = [], holdsCard: Bool = false,
        _ decode: @escaping @Sendable (inout CommandDecoder, Span<UInt8>) -> CheckoutRequest?
    ) {
        self.name = name
        pathParameters = path
        self.holdsCard = holdsCard
        self.decode = { decoder, text in decode(&decoder, text).map { .checkout($0) } }
    }
}

/// A query's name in routes. It asks for one aggregate, whose id is the path's parameter.
struct QueryName: Sendable {
    let name: String
    let parameter: String
    let query: @Sendable (Identifier) -> Query
}

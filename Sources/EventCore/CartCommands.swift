/// The cart's commands and its query, as they come.
enum CartCommands {
    static let commands = [
        CommandName("cart.add", add), CommandName("cart.remove", remove), CommandName("cart.update", update),
        CommandName("cart.empty", empty),
    ]
    static let queries = [QueryName(name: "cart.get", parameter: "userId") { .cart($0) }]

    @Sendable private static func add(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.userId, .item], text)
        let user = decoder.identifier(root[0], at: "/userId", text)
        guard let item = root[1] else {
            decoder.note("/item", "is required")
            return nil
        }
        guard decoder.isObject(item, at: "/item") else { return nil }
        let inner = decoder.members(of: item, at: "/item", [.productId, .quantity], text)
        let product = decoder.identifier(inner[0], at: "/item/productId", text)
        let quantity = decoder.integer(inner[1], atLeast: 1, at: "/item/quantity", text)
        guard let user, let product, let quantity else { return nil }
        return .cart(user, .add(product: product, quantity: quantity))
    }

    @Sendable private static func remove(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.userId, .productId], text)
        let user = decoder.identifier(root[0], at: "/userId", text)
        let product = decoder.identifier(root[1], at: "/productId", text)
        guard let user, let product else { return nil }
        return .cart(user, .remove(product: product))
    }

    @Sendable private static func update(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.userId, .productId, .quantity], text)
        let user = decoder.identifier(root[0], at: "/userId", text)
        let product = decoder.identifier(root[1], at: "/productId", text)
        let quantity = decoder.integer(root[2], atLeast: 0, at: "/quantity", text)
        guard let user, let product, let quantity else { return nil }
        return .cart(user, .update(product: product, quantity: quantity))
    }

    @Sendable private static func empty(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.userId], text)
        return decoder.identifier(root[0], at: "/userId", text).map { .cart($0, .empty) }
    }
}

extension CommandDecoder.Name {
    static let userId = Self(camel: "userId", snake: "user_id")
    static let item = Self(camel: "item", snake: "item")
}

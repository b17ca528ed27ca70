/// The sales' commands and their query, as they come.
enum FlashSaleCommands {
    static let commands = [
        CommandName("flash-sale.start", start), CommandName("flash-sale.end", path: ["saleId"], end),
        CommandName("flash-sale.change-price", path: ["saleId", "productId"], changePrice),
    ]
    static let queries = [QueryName(name: "flash-sale.get", parameter: "saleId") { .flashSale($0) }]

    @Sendable private static func start(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.saleId, .products, .startsAt, .endsAt], text)
        let sale = decoder.identifier(root[0], at: "/saleId", text)
        let products = products(&decoder, root[1], text)
        let startsAt = decoder.timestampIfAny(root[2], at: "/startsAt", text)
        if root[3] == nil { decoder.note("/endsAt", "is required") }
        let endsAt = decoder.timestampIfAny(root[3], at: "/endsAt", text)
        guard let sale, let products, let endsAt else { return nil }
        return .flashSale(sale, .start(products, startsAt: startsAt, endsAt: endsAt))
    }

    @Sendable private static func end(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.saleId], text)
        return decoder.identifier(root[0], at: "/saleId", text).map { .flashSale($0, .end) }
    }

    @Sendable private static func changePrice(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.saleId, .productId, .price], text)
        let sale = decoder.identifier(root[0], at: "/saleId", text)
        let product = decoder.identifier(root[1], at: "/productId", text)
        let price = decoder.price(root[2], at: "/price", text)
        guard let sale, let product, let price else { return nil }
        return .flashSale(sale, .changePrice(product: product, price))
    }

    private static func products(
        _ decoder: inout CommandDecoder, _ at: Int?, _ text: Span<UInt8>
    ) -> [PricedProduct]? {
        guard let at else {
            decoder.note("/products", "is required")
            return nil
        }
        guard let elements = decoder.elements(at, most: FlashSale.mostProducts, at: "/products") else { return nil }
        var products: [PricedProduct] = []
        for (i, element) in elements.enumerated() where !decoder.hasManyErrors {
            let pointer = "/products/\(i)"
            guard let members = decoder.object(element, at: pointer, [.productId, .price], text) else { continue }
            let product = decoder.identifier(members[0], at: pointer + "/productId", text)
            let price = decoder.price(members[1], at: pointer + "/price", text)
            if let product, let price { products.append(PricedProduct(product, price)) }
        }
        return products
    }
}

extension CommandDecoder.Name {
    fileprivate static let saleId = Self(camel: "saleId", snake: "sale_id")
    fileprivate static let products = Self(camel: "products", snake: "products")
    fileprivate static let startsAt = Self(camel: "startsAt", snake: "starts_at")
    fileprivate static let endsAt = Self(camel: "endsAt", snake: "ends_at")
}

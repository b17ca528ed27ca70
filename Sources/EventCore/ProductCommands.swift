/// The products' commands and their query, as they come.
enum ProductCommands {
    static let commands = [
        CommandName("product.create", create), CommandName("product.update", path: ["productId"], update),
        CommandName("product.change-price", path: ["productId"], changePrice),
    ]
    static let queries = [QueryName(name: "product.get", parameter: "productId") { .product($0) }]

    @Sendable private static func create(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let names: [CommandDecoder.Name] = [.productId, .name, .description, .picture, .categories, .price]
        let root = decoder.members(of: 0, at: "", names, text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        if root[1] == nil { decoder.note("/name", "is required") }
        let change = change(&decoder, root[1..<5], text)
        let price = decoder.price(root[5], at: "/price", text)
        guard let product, let name = change.name, let price else { return nil }
        return .product(product, .create(change.applied(to: ProductDetails(name: name)), price: price))
    }

    @Sendable private static func update(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.productId, .name, .description, .picture, .categories], text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        let change = change(&decoder, root[1..<5], text)
        return product.map { .product($0, .update(change)) }
    }

    @Sendable private static func changePrice(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.productId, .price], text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        let price = decoder.price(root[1], at: "/price", text)
        guard let product, let price else { return nil }
        return .product(product, .changePrice(price))
    }

    /// From the values of name, description, picture and categories.
    private static func change(
        _ decoder: inout CommandDecoder, _ members: ArraySlice<Int?>, _ text: Span<UInt8>
    ) -> ProductChange {
        let members = Array(members)
        return ProductChange(
            name: decoder.textIfAny(members[0], bytes: 1...ProductDetails.longestName, at: "/name", text),
            description: decoder.textIfAny(
                members[1], bytes: 0...ProductDetails.longestDescription, at: "/description", text),
            picture: decoder.textIfAny(members[2], bytes: 0...ProductDetails.longestPicture, at: "/picture", text),
            categories: categories(&decoder, members[3], text))
    }

    private static func categories(_ decoder: inout CommandDecoder, _ at: Int?, _ text: Span<UInt8>) -> [String]? {
        guard let at, let elements = decoder.elements(at, most: ProductDetails.mostCategories, at: "/categories") else { return nil }
        var categories: [String] = []
        for (i, element) in elements.enumerated() where !decoder.hasManyErrors {
            let bytes = 1...ProductDetails.longestCategory
            guard let category = decoder.textIfAny(element, bytes: bytes, at: "/categories/\(i)", text) else { continue }
            categories.append(category)
        }
        return categories
    }
}

extension CommandDecoder.Name {
    fileprivate static let name = Self(camel: "name", snake: "name")
    fileprivate static let description = Self(camel: "description", snake: "description")
    fileprivate static let picture = Self(camel: "picture", snake: "picture")
    fileprivate static let categories = Self(camel: "categories", snake: "categories")
    static let price = Self(camel: "price", snake: "price")
}

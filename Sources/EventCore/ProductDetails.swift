import Contracts

/// What is said of a product, its price apart.
public struct ProductDetails: Sendable, Equatable {
    // Bytes, and how many.
    static let longestName = 512
    static let longestDescription = 8192
    static let longestPicture = 2048
    static let longestCategory = 128
    static let mostCategories = 64

    public var name: String
    public var description: String
    /// A path or an address.
    public var picture: String
    public var categories: [String]

    public init(name: String, description: String = "", picture: String = "", categories: [String] = []) {
        self.name = name
        self.description = description
        self.picture = picture
        self.categories = categories
    }

    var cost: Int {
        name.utf8.count + description.utf8.count + picture.utf8.count + categories.reduce(0) { $0 + 16 + $1.utf8.count }
    }
}

/// What is to be said from now on; nil stays as it is.
public struct ProductChange: Sendable, Equatable {
    public var name: String?
    public var description: String?
    public var picture: String?
    public var categories: [String]?

    public init(
        name: String? = nil, description: String? = nil, picture: String? = nil, categories: [String]? = nil
    ) {
        self.name = name
        self.description = description
        self.picture = picture
        self.categories = categories
    }

    func applied(to details: ProductDetails) -> ProductDetails {
        ProductDetails(
            name: name ?? details.name, description: description ?? details.description,
            picture: picture ?? details.picture, categories: categories ?? details.categories)
    }
}

extension JSONWriter {
    /// The members of a product's details.
    mutating func members(_ details: ProductDetails) {
        name("name")
        string(details.name)
        name("description")
        string(details.description)
        name("picture")
        string(details.picture)
        name("categories")
        beginArray()
        for category in details.categories { string(category) }
        endArray()
    }
}

extension ProductDetails {
    init?(_ members: JSONMembers) {
        guard let name = members.string("name"), let description = members.string("description"),
            let picture = members.string("picture"), let categories = members.strings("categories")
        else { return nil }
        self.init(name: name, description: description, picture: picture, categories: categories)
    }
}

import EventCore

/// What a saga's end does to its order: the names that definitions may give.
enum Endings {
    static let completed = ["order.confirm", "order.cancel"]
    static let compensated = ["order.fail"]

    /// Nil for a name of no ending.
    static func command(_ name: String, order: Identifier, cause: Failure?) -> Command? {
        switch name {
        case "order.confirm": .order(order, .confirm)
        case "order.cancel": .order(order, .cancel)
        case "order.fail": .order(order, .fail(cause ?? Failure(reason: "the checkout was undone")))
        default: nil
        }
    }
}

import EventCore
import Exchanges
import WireGRPC

/// The answers. Their bytes come from somebody else: every length is checked, text is valid UTF-8, fields of another
/// type than their own are passed over as unknown ones are, and of a field given twice the last counts.
extension ShopMessages {
    /// Products in one cart.
    static let mostItems = 1000

    /// ChargeResponse (transaction_id 1), ShipOrderResponse (tracking_id 1).
    static func readText(_ message: [UInt8]) throws(Fault) -> String {
        var reader = ProtobufFieldReader()
        var text = ""
        while let field = try reader.next(message.span) {
            if case (1, .bytes(let slice)) = field { text = try utf8(message, slice) }
        }
        return text
    }

    /// GetQuoteResponse: cost_usd 1.
    static func readQuote(_ message: [UInt8]) throws(Fault) -> Money? {
        var reader = ProtobufFieldReader()
        var cost: Money?
        while let field = try reader.next(message.span) {
            if case (1, .bytes(let slice)) = field { cost = try readMoney(inner(message, slice)) }
        }
        return cost
    }

    static func readMoney(_ message: [UInt8]) throws(Fault) -> Money {
        var reader = ProtobufFieldReader()
        var money = Money(currency: "")
        while let field = try reader.next(message.span) {
            switch field {
            case (1, .bytes(let slice)): money.currency = try utf8(message, slice)
            case (2, .varint(let value)): money.units = Int64(bitPattern: value)
            case (3, .varint(let value)): money.nanos = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        return money
    }

    /// Cart: items 2.
    static func readCart(_ message: [UInt8]) throws(Fault) -> [ShopItem] {
        var reader = ProtobufFieldReader()
        var items: [ShopItem] = []
        while let field = try reader.next(message.span) {
            guard case (2, .bytes(let slice)) = field else { continue }
            guard items.count < mostItems else { throw .malformed }
            items.append(try readItem(inner(message, slice)))
        }
        return items
    }

    private static func readItem(_ message: [UInt8]) throws(Fault) -> ShopItem {
        var reader = ProtobufFieldReader()
        var item = ShopItem(product: "", quantity: 0)
        while let field = try reader.next(message.span) {
            switch field {
            case (1, .bytes(let slice)): item.product = try utf8(message, slice)
            case (2, .varint(let value)): item.quantity = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        return item
    }

    static func readProduct(_ message: [UInt8]) throws(Fault) -> ShopProduct {
        var reader = ProtobufFieldReader()
        var product = ShopProduct()
        while let field = try reader.next(message.span) {
            switch field {
            case (2, .bytes(let slice)): product.name = try utf8(message, slice)
            case (5, .bytes(let slice)): product.price = try readMoney(inner(message, slice))
            case (6, .bytes(let slice)) where product.category.isEmpty: product.category = try utf8(message, slice)
            default: break
            }
        }
        return product
    }

    private static func inner(_ message: [UInt8], _ slice: Slice) -> [UInt8] { Array(message[slice.range]) }

    private static func utf8(_ message: [UInt8], _ slice: Slice) throws(Fault) -> String {
        guard let text = String(validating: message[slice.range], as: UTF8.self) else { throw .malformed }
        return text
    }
}

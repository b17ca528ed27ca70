import EventCore
import Exchanges
import WireGRPC

/// So many of one product, as carts and parcels say it.
struct ShopItem: Sendable, Equatable {
    var product: String
    var quantity: Int32
}

/// What checkout needs to know of a product.
struct ShopProduct: Sendable, Equatable {
    var name = ""
    /// The first; empty when it has none.
    var category = ""
    var price: Money?
}

/// What a customer is told about an order (`OrderResult`).
struct ShopOrder: Sendable, Equatable {
    var id: String
    var tracking: String
    var shippingCost: Money
    var address: PostalAddress
    var lines: [OrderLine]
}

/// The messages of the legacy contract that checkout sends and reads, as bytes. By hand: nine small messages whose
/// numbers never change need no descriptors, the gateway can run its checkout without compiled contracts, and a card
/// goes from memory into its message without a text in between.
///
/// Fields and their numbers (proto3; a message in a message has its own table):
///
///     Money            currency_code 1, units 2, nanos 3
///     Address          street_address 1, city 2, state 3, country 4, zip_code 5
///     CreditCardInfo   credit_card_number 1, credit_card_cvv 2, …_expiration_year 3, …_expiration_month 4
///     CartItem         product_id 1, quantity 2
///     Cart             user_id 1, items 2
///     Product          id 1, name 2, description 3, picture 4, price_usd 5, categories 6
///     OrderItem        item 1, cost 2
///     OrderResult      order_id 1, shipping_tracking_id 2, shipping_cost 3, shipping_address 4, items 5
enum ShopMessages {
    typealias Fault = ProtobufFieldReader.Fault

    // MARK: - Requests

    /// A message of which only one text is sent: GetCartRequest, EmptyCartRequest, GetProductRequest.
    static func text(_ text: String) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(text.utf8))
        return message.bytes
    }

    /// CurrencyConversionRequest: from 1, to_code 2.
    static func conversion(_ money: Money?, to currency: String) -> [UInt8] {
        var message = ProtobufText()
        if let money { message.add(evenEmpty: 1, Self.money(money)) }
        message.add(2, Array(currency.utf8))
        return message.bytes
    }

    /// GetQuoteRequest and ShipOrderRequest: address 1, items 2.
    static func parcel(_ address: PostalAddress, _ items: [ShopItem]) -> [UInt8] {
        var message = ProtobufText()
        message.add(evenEmpty: 1, Self.address(address))
        for item in items { message.add(evenEmpty: 2, Self.item(item)) }
        return message.bytes
    }

    /// ChargeRequest: amount 1, credit_card 2.
    static func charge(_ amount: Money, _ card: CardDetails) -> [UInt8] {
        var info = ProtobufText()
        info.add(1, card.number)
        info.add(2, number(card.cvv))
        info.add(3, number(card.expirationYear))
        info.add(4, number(card.expirationMonth))
        var message = ProtobufText()
        message.add(evenEmpty: 1, money(amount))
        message.add(evenEmpty: 2, info.bytes)
        return message.bytes
    }

    /// SendOrderConfirmationRequest: email 1, order 2.
    static func confirmation(_ email: String, _ order: ShopOrder) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(email.utf8))
        message.add(evenEmpty: 2, Self.order(order))
        return message.bytes
    }

    /// A refund (transaction_id 1, amount 2) or a cancelled shipment (tracking_id 1). The legacy contract has none;
    /// this is what a service gets whose adapter declares one.
    static func undo(_ id: String, _ amount: Money?) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(id.utf8))
        if let amount { message.add(evenEmpty: 2, money(amount)) }
        return message.bytes
    }

    private static func money(_ money: Money) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(money.currency.utf8))
        message.add(2, UInt64(bitPattern: money.units))
        message.add(3, number(money.nanos))
        return message.bytes
    }

    private static func address(_ address: PostalAddress) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(address.street.utf8))
        message.add(2, Array(address.city.utf8))
        message.add(3, Array(address.state.utf8))
        message.add(4, Array(address.country.utf8))
        message.add(5, number(address.zipCode))
        return message.bytes
    }

    private static func item(_ item: ShopItem) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(item.product.utf8))
        message.add(2, number(item.quantity))
        return message.bytes
    }

    private static func order(_ order: ShopOrder) -> [UInt8] {
        var message = ProtobufText()
        message.add(1, Array(order.id.utf8))
        message.add(2, Array(order.tracking.utf8))
        message.add(evenEmpty: 3, money(order.shippingCost))
        message.add(evenEmpty: 4, address(order.address))
        for line in order.lines {
            var item = ProtobufText()
            item.add(evenEmpty: 1, Self.item(ShopItem(product: line.product.description, quantity: line.quantity)))
            item.add(evenEmpty: 2, money(line.cost))
            message.add(evenEmpty: 5, item.bytes)
        }
        return message.bytes
    }

    /// int32 goes as int64 does: a negative one takes ten bytes.
    private static func number(_ value: Int32) -> UInt64 { UInt64(bitPattern: Int64(value)) }
}

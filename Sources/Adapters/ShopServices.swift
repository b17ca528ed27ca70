import EventCore
import Exchanges
import Settings

/// The shop's services, as checkout asks them. Which form a call takes is the configuration's affair.
struct ShopServices: Sendable {
    /// Nil = carts are the event core's.
    private let cart: Service?
    private let catalogue: Service
    private let currency: Service
    let shipping: Service
    let payment: Service
    let email: Service

    init(_ settings: CheckoutSettings, _ calls: any CallOut) {
        cart =
            switch settings.cart {
            case .core: nil
            case .cluster(let name): Service(CheckoutSettings.Service(cluster: name, timeout: 5_000, isIdempotent: true), calls)
            }
        catalogue = Service(settings.catalogue, calls)
        currency = Service(settings.currency, calls)
        shipping = Service(settings.shipping, calls)
        payment = Service(settings.payment, calls)
        email = Service(settings.email, calls)
    }

    // MARK: - Questions

    /// Nil when carts are the event core's.
    func cart(of user: String, _ frame: CallFrame) async throws(ServiceFault) -> [ShopItem]? {
        guard let cart else { return nil }
        let message = try await cart.call("/hipstershop.CartService/GetCart", ShopMessages.text(user), frame)
        return try read(message, ShopMessages.readCart)
    }

    func product(_ id: String, _ frame: CallFrame) async throws(ServiceFault) -> ShopProduct {
        let path = "/hipstershop.ProductCatalogService/GetProduct"
        return try read(try await catalogue.call(path, ShopMessages.text(id), frame), ShopMessages.readProduct)
    }

    /// - Returns: an amount in that currency: one in another is no answer.
    func convert(_ money: Money?, to code: String, _ frame: CallFrame) async throws(ServiceFault) -> Money {
        let request = ShopMessages.conversion(money, to: code)
        let message = try await currency.call("/hipstershop.CurrencyService/Convert", request, frame)
        let answer = try read(message, ShopMessages.readMoney)
        guard answer.currency == code, answer.isValid else { throw .unreadable }
        return answer
    }

    /// Nil when the service names no price.
    func quote(_ address: PostalAddress, _ items: [ShopItem], _ frame: CallFrame) async throws(ServiceFault) -> Money? {
        guard case .rest(_, let path) = shipping.settings.form else {
            let request = ShopMessages.parcel(address, items)
            return try read(try await shipping.call("/hipstershop.ShippingService/GetQuote", request, frame), ShopMessages.readQuote)
        }
        let body = try await shipping.post(path ?? "/", ServiceJSON.parcel(address, items), frame)
        guard let money = ServiceJSON.quote(in: body) else { throw .unreadable }
        return money
    }

    // MARK: - Deeds

    /// - Returns: the transaction's id.
    func charge(_ amount: Money, _ card: CardDetails, _ frame: CallFrame) async throws(ServiceFault) -> String {
        guard case .rest(let path, _) = payment.settings.form else {
            let request = ShopMessages.charge(amount, card)
            return try read(try await payment.call("/hipstershop.PaymentService/Charge", request, frame), ShopMessages.readText)
        }
        let body = try await payment.post(path, ServiceJSON.charge(amount, card), frame)
        return try id("transactionId", "transaction_id", body)
    }

    /// - Returns: the tracking id.
    func ship(_ address: PostalAddress, _ items: [ShopItem], _ frame: CallFrame) async throws(ServiceFault) -> String {
        guard case .rest(let path, _) = shipping.settings.form else {
            let request = ShopMessages.parcel(address, items)
            return try read(try await shipping.call("/hipstershop.ShippingService/ShipOrder", request, frame), ShopMessages.readText)
        }
        let body = try await shipping.post(path, ServiceJSON.parcel(address, items), frame)
        return try id("trackingId", "tracking_id", body)
    }

    func confirm(_ order: ShopOrder, to address: String, _ frame: CallFrame) async throws(ServiceFault) {
        guard case .rest(let path, _) = email.settings.form else {
            let request = ShopMessages.confirmation(address, order)
            _ = try await email.call("/hipstershop.EmailService/SendOrderConfirmation", request, frame)
            return
        }
        _ = try await email.post(path, ServiceJSON.confirmation(address, order), frame)
    }

    /// Nothing happens when carts are the event core's.
    func emptyCart(of user: String, _ frame: CallFrame) async throws(ServiceFault) {
        guard let cart else { return }
        _ = try await cart.call("/hipstershop.CartService/EmptyCart", ShopMessages.text(user), frame)
    }

    // MARK: - Undoing

    /// False when the payment service has no such call.
    func refund(_ transaction: String, _ amount: Money, _ frame: CallFrame) async throws(ServiceFault) -> Bool {
        guard let path = payment.settings.undo else { return false }
        if payment.settings.form == .grpc {
            _ = try await payment.call(path, ShopMessages.undo(transaction, amount), frame)
        } else {
            _ = try await payment.post(path, ServiceJSON.undo("transactionId", transaction, amount), frame)
        }
        return true
    }

    /// False when the shipping service has no such call.
    func cancelShipment(_ tracking: String, _ frame: CallFrame) async throws(ServiceFault) -> Bool {
        guard let path = shipping.settings.undo else { return false }
        if shipping.settings.form == .grpc {
            _ = try await shipping.call(path, ShopMessages.undo(tracking, nil), frame)
        } else {
            _ = try await shipping.post(path, ServiceJSON.undo("trackingId", tracking, nil), frame)
        }
        return true
    }

    // MARK: - Reading

    private func read<Answer>(
        _ message: [UInt8], _ reading: ([UInt8]) throws(ShopMessages.Fault) -> Answer
    ) throws(ServiceFault) -> Answer {
        do throws(ShopMessages.Fault) {
            return try reading(message)
        } catch {
            throw .unreadable
        }
    }

    private func id(_ camel: StaticString, _ snake: StaticString, _ body: [UInt8]) throws(ServiceFault) -> String {
        guard let id = ServiceJSON.text(camel, snake, in: body) else { throw .unreadable }
        return id
    }
}

public import Bus
public import EventCore
public import Exchanges
import Settings
import WireGRPC

/// Keeps the legacy cart service equal to the event-sourced carts (SPEC D-4), so that the way back to it stays open:
/// whoever turns the new carts off finds the same things in the old ones.
///
/// It goes by the cart's state and not by its events: what the legacy cart lacks is added; when it holds what it
/// should not, or in another order, it is emptied and written anew. So events may come twice, and a cart that
/// changes often is written when its last event comes.
public struct LegacyCartMirror: Consumer {
    public let name = "legacy-cart-mirror"
    /// All events of carts: the last one of a cart is the one that counts.
    public let types: Set<String> = ["ItemAdded", "ItemRemoved", "QuantityUpdated", "CartEmptied"]
    public let path: DeliveryPath? = .secondary

    private let service: Service
    private let log: EventLog
    /// For each call, and for all that one cart needs.
    private static let callMS: UInt32 = 5_000
    private static let cartMS: UInt32 = 60_000
    /// gRPC statuses with which the service says no for good: INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED,
    /// UNAUTHENTICATED. All else may pass: the legacy service says FAILED_PRECONDITION when its own store is away.
    private static let final: Set<UInt32> = [3, 7, 12, 16]

    /// - Parameter cluster: of the legacy cart service.
    public init(cluster: String, log: EventLog, calls: any CallOut) {
        let settings = CheckoutSettings.Service(cluster: cluster, timeout: LegacyCartMirror.callMS, isIdempotent: true)
        service = Service(settings, calls)
        self.log = log
    }

    public func apply(_ event: StoredEvent) async -> Applied {
        let id = event.aggregate.id
        let state: AnyAggregate
        do throws(Refusal) {
            state = try await log.state(of: AggregateName(kind: .cart, id: id))
        } catch {
            return .transient(Failure(reason: "the cart cannot be read"))
        }
        // A later event is on its way here.
        guard case .cart(let cart) = state, cart.version <= event.version else { return .done }
        do throws(ServiceFault) {
            try await mirror(cart, of: id, CallFrame(milliseconds: LegacyCartMirror.cartMS, metadata: event.event.metadata))
            return .done
        } catch {
            let isFinal = error.kind == .refused && LegacyCartMirror.final.contains(error.code ?? 0)
            return isFinal ? .permanent(error.failure) : .transient(error.failure)
        }
    }

    private func mirror(_ cart: Cart, of id: Identifier, _ frame: CallFrame) async throws(ServiceFault) {
        let user = id.description
        var there = try await legacyItems(of: user, frame)
        let wanted = cart.items.map { ShopItem(product: $0.product.description, quantity: $0.quantity) }
        if !LegacyCartMirror.canBecome(wanted, from: there) {
            _ = try await service.call("/hipstershop.CartService/EmptyCart", ShopMessages.text(user), frame)
            there = []
        }
        for (i, item) in wanted.enumerated() {
            let missing = item.quantity - (i < there.count ? there[i].quantity : 0)
            guard missing > 0 else { continue }
            let message = LegacyCartMirror.addition(user, ShopItem(product: item.product, quantity: missing))
            _ = try await service.call("/hipstershop.CartService/AddItem", message, frame)
        }
    }

    private func legacyItems(of user: String, _ frame: CallFrame) async throws(ServiceFault) -> [ShopItem] {
        let message = try await service.call("/hipstershop.CartService/GetCart", ShopMessages.text(user), frame)
        do throws(ShopMessages.Fault) {
            return try ShopMessages.readCart(message)
        } catch {
            throw .unreadable
        }
    }

    /// By additions alone: they go to a product's line where there is one, else to the end.
    static func canBecome(_ wanted: [ShopItem], from there: [ShopItem]) -> Bool {
        there.count <= wanted.count
            && zip(there, wanted).allSatisfy { $0.product == $1.product && $0.quantity > 0 && $0.quantity <= $1.quantity }
    }

    /// AddItemRequest: user_id 1, item 2 (CartItem: product_id 1, quantity 2).
    private static func addition(_ user: String, _ item: ShopItem) -> [UInt8] {
        var line = ProtobufText()
        line.add(1, Array(item.product.utf8))
        line.add(2, UInt64(bitPattern: Int64(item.quantity)))
        var message = ProtobufText()
        message.add(1, Array(user.utf8))
        message.add(evenEmpty: 2, line.bytes)
        return message.bytes
    }
}

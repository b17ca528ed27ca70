import EventCore
import Exchanges
import Sagas
import Settings

/// `shipping.ship`: has the parcel fetched.
struct ShipOrder: StepOperation {
    let name = "shipping.ship"
    let services: ShopServices
    var isIdempotent: Bool { services.shipping.settings.isIdempotent }

    func announce(_ context: StepContext) -> [Command] { [.order(context.order, .requestShipment)] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .refused(Failure(reason: "the order was never placed"), []) }
        if context.state.tracking != nil { return .done([]) }
        let items = order.lines.map { ShopItem(product: $0.product.description, quantity: $0.quantity) }
        do throws(ServiceFault) {
            let tracking = try await services.ship(order.address, items, context.frame)
            return .done([.order(context.order, .scheduleShipment(tracking: tracking))])
        } catch {
            return error.result(refused: [.order(context.order, .failShipment(error.failure))])
        }
    }

    func settled(_ context: StepContext, note: String?) -> [Command] {
        guard context.state.tracking == nil else { return [] }
        return [.order(context.order, .scheduleShipment(tracking: context.reference(note)))]
    }
}

/// `shipping.cancel`: calls the parcel back.
struct CancelShipment: StepOperation {
    let name = "shipping.cancel"
    let services: ShopServices
    var isIdempotent: Bool { services.shipping.settings.isIdempotent }

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let tracking = context.state.tracking else {
            guard context.state.shipment == .requested, context.part == .compensation else { return .done([]) }
            return .manual(
                "find out whether a parcel of order \(context.order) is on its way, and call it back: the shipping service has not said")
        }
        do throws(ServiceFault) {
            if try await services.cancelShipment(tracking, context.frame) { return .done([]) }
        } catch {
            return error.result()
        }
        return .manual("call back the parcel \(tracking) of order \(context.order): the shipping service has no call for it")
    }
}

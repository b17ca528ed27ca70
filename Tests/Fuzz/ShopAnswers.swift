import EventCore
import Exchanges
import WireGRPC

/// Answers of services, read by hand: any bytes are a message or none, and what was read and is written again reads
/// the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let message = [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let text = try? ShopMessages.readText(message) {
        precondition(text.isEmpty || (try? ShopMessages.readText(ShopMessages.text(text))) == text)
    }
    if let money = try? ShopMessages.readMoney(message) {
        // The amount of a conversion and that of a quote have the same place.
        precondition((try? ShopMessages.readQuote(ShopMessages.conversion(money, to: "EUR"))) == money)
    }
    if let cart = try? ShopMessages.readCart(message) { precondition(cart.count <= ShopMessages.mostItems) }
    _ = try? ShopMessages.readQuote(message)
    _ = try? ShopMessages.readProduct(message)
    return 0
}

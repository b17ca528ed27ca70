import Contracts
import Exchanges

extension Order {
    /// `{"orderId","status","state","reason"?,"items":[…],"shippingCost","total","currency","shippingAddress",
    /// "email","card":{"lastFour"},"paymentTransactionId"?,"shippingTrackingId"?,"refundOwed","timeline":[…],"version"}`
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        guard let priced, let state else { throw Order.unknown }
        var json = JSONWriter<[UInt8]>([])
        json.sink.reserveCapacity(1024 + 192 * priced.lines.count)
        json.beginObject()
        json.name("orderId")
        json.string(id)
        json.name("status")
        json.string(state.apiStatus.description)
        json.name("state")
        json.string(state.name.description)
        if let reason = failure?.reason ?? cancellationReason {
            json.name("reason")
            json.string(reason)
        }
        json.name("items")
        json.lines(priced.lines)
        json.name("shippingCost")
        json.money(priced.shippingCost)
        json.name("total")
        json.money(priced.total)
        json.name("currency")
        json.string(priced.currency)
        json.name("shippingAddress")
        json.address(priced.address)
        json.name("email")
        json.string(Order.masked(priced.email))
        json.name("card")
        json.beginObject()
        json.name("lastFour")
        json.string(priced.card.lastFour)
        json.endObject()
        if let transaction {
            json.name("paymentTransactionId")
            json.string(transaction)
        }
        if let tracking {
            json.name("shippingTrackingId")
            json.string(tracking)
        }
        json.name("refundOwed")
        json.bool(refundOwed)
        json.name("timeline")
        json.beginArray()
        for milestone in timeline {
            json.beginObject()
            json.name("state")
            json.string(milestone.state.name.description)
            json.name("at")
            json.string(milestone.at.description)
            json.endObject()
        }
        json.endArray()
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    /// Two characters, three stars, and the domain: enough to recognise one's own.
    static func masked(_ email: String) -> String {
        guard !email.isEmpty else { return "" }
        guard let sign = email.lastIndex(of: "@") else { return email.prefix(2) + "***" }
        return email[..<sign].prefix(2) + "***" + email[sign...]
    }
}

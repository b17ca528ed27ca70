import Contracts
import EventCore
import Exchanges

/// What a client is told whose request is accepted, while the work goes on.
struct Acceptance {
    var order: Identifier
    var version: UInt64
    /// Nil = as after placing.
    var status: StaticString?
    /// The detailed state, where it is worth telling.
    var state: StaticString?
    /// Nil = the request itself has caused none.
    var events: [EventId]?
    var saga: Identifier

    /// - Parameter accepted: of the transaction, the order's command first.
    init(order: Identifier, accepted: [Accepted], saga: Identifier) {
        self.order = order
        self.saga = saga
        version = accepted.first?.version ?? 0
        events = accepted.first?.eventIds ?? []
    }

    init(order: Identifier, version: UInt64, status: StaticString?, saga: Identifier) {
        self.order = order
        self.version = version
        self.status = status
        self.saga = saga
    }

    /// `{"orderId","version","status","state"?,"eventIds"?,"sagaId"}`
    var answer: Reply.Outcome {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("orderId")
        json.string(utf8: order.bytes)
        json.name("version")
        json.integer(version)
        json.name("status")
        json.string("\(status ?? OrderState.created.apiStatus)")
        if let state {
            json.name("state")
            json.string("\(state)")
        }
        if let events {
            json.name("eventIds")
            json.beginArray()
            for id in events { json.string(utf8: id.characters) }
            json.endArray()
        }
        json.name("sagaId")
        json.string(utf8: saga.bytes)
        json.endObject()
        return .answered(status: 202, body: json.sink, fields: fields(version: version))
    }

    /// Where the order is, and which version of it this is.
    func fields(version: UInt64) -> [UInt8] {
        Array("Location: /api/v1/orders/\(PathText.encoded(order.bytes))\r\nETag: \"\(version)\"\r\n".utf8)
    }
}

enum PathText {
    /// One segment of a path: all but the unreserved characters (RFC 3986, 2.3) by their numbers.
    static func encoded(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 48...57, 65...90, 97...122, 0x2d, 0x2e, 0x5f, 0x7e: text.append(byte)
            default: text += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension ShopOrder {
    /// `PlaceOrderResponse`: `{"order":{…}}`. Every amount is there, also one of zero: clients break without.
    var placed: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("order")
        json.order(self)
        json.endObject()
        return json.sink
    }
}

extension Order {
    /// Why the façade has no order to show (SPEC T-6), where LEGACY 4 has words for it in those.
    func refusalOfPlacing(_ id: Identifier) -> Refusal {
        // The service's own words come first; an order may also fail without them, when a service stayed away.
        switch (payment.attempt, shipment) {
        case (.failed(let failure), _): return Order.chargeRefused(failure)
        case (_, .failed(let failure)): return Order.shipmentRefused(failure)
        case (.made, .requested): if let failure { return Order.shipmentRefused(failure) }
        case (.requested, _): if let failure { return Order.chargeRefused(failure) }
        default: break
        }
        let reason = failure?.reason ?? cancellationReason ?? "its checkout was given up"
        return Refusal(Outcome(.illegalState, "the order has come to nothing"), "order \(id) has come to nothing: \(reason)")
    }

    private static func chargeRefused(_ failure: Failure) -> Refusal {
        let cause = StatusText.described(failure.grpcCode, failure.reason)
        return Refusal(Outcome(.internalError, "the card was not charged"), "failed to charge card: could not charge the card: \(cause)")
    }

    private static func shipmentRefused(_ failure: Failure) -> Refusal {
        let cause = StatusText.described(failure.grpcCode, failure.reason)
        return Refusal(Outcome(.upstreamUnavailable, "the shipment was not made"), "shipping error: shipment failed: \(cause)")
    }
}

import Contracts

/// Why a reservation ended before its goods left.
public enum ReleaseReason: UInt8, Sendable, CaseIterable {
    case unspecified
    /// A later step of the checkout failed, and the steps before it are undone.
    case compensation
    case orderCancelled
    case expired

    /// As proto JSON writes it.
    public var name: String {
        switch self {
        case .unspecified: "RELEASE_REASON_UNSPECIFIED"
        case .compensation: "RELEASE_REASON_COMPENSATION"
        case .orderCancelled: "RELEASE_REASON_ORDER_CANCELLED"
        case .expired: "RELEASE_REASON_EXPIRED"
        }
    }
}

/// What can have happened to a product's stock (SPEC 25). Version 1 of the payloads.
public enum InventoryEvent: AggregateEvent, Equatable {
    /// `requested` is what was reported; `applied` is what it came to, because stock that is promised
    /// stays. `eventId` is the report's own.
    case stockAdjusted(requested: Int32, applied: Int64, reason: Identifier, eventId: Identifier?)
    case reserved(Identifier, order: Identifier?, quantity: Int32, expiresAt: Timestamp)
    case released(Identifier, order: Identifier?, quantity: Int32, reason: ReleaseReason)

    /// The goods of an order have left. `applied` is what was on hand to be counted off, which is less than `quantity`
    /// when the reservation had ended and the pieces were promised again.
    case taken(Identifier, order: Identifier?, quantity: Int32, applied: Int64)
    /// Goods that had left are back.
    case returned(Identifier, order: Identifier?, quantity: Int32, applied: Int64)

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .stockAdjusted: "StockAdjusted"
        case .reserved: "InventoryReserved"
        case .released: "InventoryReleased"
        case .taken: "StockTaken"
        case .returned: "StockReturned"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.sink.reserveCapacity(192)
        json.beginObject()
        switch self {
        case .stockAdjusted(let requested, let applied, let reason, let eventId):
            json.name("requested")
            json.integer(requested)
            json.name("applied")
            json.integer(applied)
            json.name("reason")
            json.string(reason)
            if let eventId {
                json.name("eventId")
                json.string(eventId)
            }
        case .reserved(let id, let order, let quantity, let expiresAt):
            InventoryEvent.write(id, order, quantity, &json)
            json.name("expiresAt")
            json.string(utf8: expiresAt.description.utf8Span.span)
        case .released(let id, let order, let quantity, let reason):
            InventoryEvent.write(id, order, quantity, &json)
            json.name("reason")
            json.string(utf8: reason.name.utf8Span.span)
        case .taken(let id, let order, let quantity, let applied), .returned(let id, let order, let quantity, let applied):
            InventoryEvent.write(id, order, quantity, &json)
            json.name("applied")
            json.integer(applied)
        }
        json.endObject()
        return json.sink
    }

    private static func write(
        _ id: Identifier, _ order: Identifier?, _ quantity: Int32, _ json: inout JSONWriter<[UInt8]>
    ) {
        json.name("reservationId")
        json.string(id)
        if let order {
            json.name("orderId")
            json.string(order)
        }
        json.name("quantity")
        json.integer(quantity)
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == InventoryEvent.schemaVersion else { return nil }
        let text = event.payload.span
        guard let tape = try? JSONTape(text) else { return nil }
        if event.type == "StockAdjusted" {
            guard let requested = tape.int32("requested", in: text), let at = tape.member("applied", of: 0, in: text),
                let applied = tape.integer(at, in: text), let reason = tape.identifier("reason", in: text)
            else { return nil }
            let eventId = tape.identifier("eventId", in: text)
            self = .stockAdjusted(requested: requested, applied: applied, reason: reason, eventId: eventId)
            return
        }
        guard let id = tape.identifier("reservationId", in: text), let quantity = tape.int32("quantity", in: text),
            quantity > 0
        else { return nil }
        let order = tape.identifier("orderId", in: text)
        switch event.type {
        case "InventoryReserved":
            guard let expiresAt = tape.text("expiresAt", in: text), let expiresAt = Timestamp(expiresAt.span) else {
                return nil
            }
            self = .reserved(id, order: order, quantity: quantity, expiresAt: expiresAt)
        case "InventoryReleased":
            // A reason that a later version has added is none that this one knows.
            let name = tape.text("reason", in: text)
            let reason = ReleaseReason.allCases.first { Array($0.name.utf8) == name }
            self = .released(id, order: order, quantity: quantity, reason: reason ?? .unspecified)
        case "StockTaken", "StockReturned":
            guard let at = tape.member("applied", of: 0, in: text), let applied = tape.integer(at, in: text) else { return nil }
            self =
                event.type == "StockTaken"
                ? .taken(id, order: order, quantity: quantity, applied: applied)
                : .returned(id, order: order, quantity: quantity, applied: applied)
        default: return nil
        }
    }
}

extension JSONTape {
    fileprivate func text(_ name: StaticString, in text: Span<UInt8>) -> [UInt8]? {
        guard let at = member(name, of: 0, in: text), self[at].kind == .string else { return nil }
        return string(at, in: text)
    }

    fileprivate func identifier(_ name: StaticString, in text: Span<UInt8>) -> Identifier? {
        self.text(name, in: text).flatMap { Identifier($0) }
    }
}

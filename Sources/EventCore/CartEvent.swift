import Contracts

/// What can have happened to a cart (SPEC 25). Version 1 of the payloads.
public enum CartEvent: AggregateEvent, Equatable {
    /// `quantity` more of the product.
    case itemAdded(Identifier, quantity: Int32)
    case itemRemoved(Identifier)
    case quantityUpdated(Identifier, old: Int32, new: Int32)
    case cartEmptied

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .itemAdded: "ItemAdded"
        case .itemRemoved: "ItemRemoved"
        case .quantityUpdated: "QuantityUpdated"
        case .cartEmptied: "CartEmptied"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.sink.reserveCapacity(96)
        json.beginObject()
        switch self {
        case .itemAdded(let product, let quantity):
            json.name("productId")
            json.string(product)
            json.name("quantity")
            json.integer(quantity)
        case .itemRemoved(let product):
            json.name("productId")
            json.string(product)
        case .quantityUpdated(let product, let old, let new):
            json.name("productId")
            json.string(product)
            json.name("old")
            json.integer(old)
            json.name("new")
            json.integer(new)
        case .cartEmptied: break
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == CartEvent.schemaVersion else { return nil }
        if event.type == "CartEmptied" {
            self = .cartEmptied
            return
        }
        let text = event.payload.span
        guard let tape = try? JSONTape(text),
            let at = tape.member("productId", of: 0, in: text), tape[at].kind == .string,
            let product = Identifier(tape.string(at, in: text))
        else { return nil }
        switch event.type {
        case "ItemAdded":
            guard let quantity = tape.int32("quantity", in: text) else { return nil }
            self = .itemAdded(product, quantity: quantity)
        case "ItemRemoved":
            self = .itemRemoved(product)
        case "QuantityUpdated":
            guard let old = tape.int32("old", in: text), let new = tape.int32("new", in: text) else { return nil }
            self = .quantityUpdated(product, old: old, new: new)
        default: return nil
        }
    }
}

extension JSONTape {
    func int32(_ name: StaticString, in text: Span<UInt8>) -> Int32? {
        guard let at = member(name, of: 0, in: text), let value = integer(at, in: text) else { return nil }
        return Int32(exactly: value)
    }
}

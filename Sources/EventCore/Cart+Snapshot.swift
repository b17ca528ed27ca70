import Contracts

// `{"items":[["product",quantity],…]}`, in the cart's order.
extension Cart {
    static var snapshotVersion: UInt32 { 1 }

    func snapshot() -> [UInt8]? {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("items")
        json.beginArray()
        for item in items {
            json.beginArray()
            json.string(item.product)
            json.integer(item.quantity)
            json.endArray()
        }
        json.endArray()
        json.endObject()
        return json.sink
    }

    init?(snapshot text: Span<UInt8>, version: UInt64) {
        guard let tape = try? JSONTape(text), let list = tape.array("items", of: 0, in: text) else { return nil }
        var items: [Item] = []
        var at = list + 1
        while at < tape.next(list) {
            guard tape.isArray(at, of: 2), let product = tape.identifier(at + 1, in: text),
                let quantity = tape.integer(at + 2, in: text).flatMap({ Int32(exactly: $0) })
            else { return nil }
            items.append(Item(product: product, quantity: quantity))
            at = tape.next(at)
        }
        self.init(items: items, version: version)
    }
}

// What snapshots of all types are read with.
extension JSONTape {
    /// The member `name` of the object at `i`, when it is an array.
    func array(_ name: StaticString, of i: Int, in text: Span<UInt8>) -> Int? {
        guard let at = member(name, of: i, in: text), self[at].kind == .array else { return nil }
        return at
    }

    /// Is there an array of `count` scalars at `i`?
    func isArray(_ i: Int, of count: Int) -> Bool { self[i].kind == .array && next(i) == i + 1 + count }

    func identifier(_ i: Int, in text: Span<UInt8>) -> Identifier? {
        self[i].kind == .string ? Identifier(string(i, in: text)) : nil
    }

    func int64(_ name: StaticString, of i: Int, in text: Span<UInt8>) -> Int64? {
        guard let at = member(name, of: i, in: text), self[at].kind == .number else { return nil }
        return integer(at, in: text)
    }
}

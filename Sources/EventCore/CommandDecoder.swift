import Contracts

/// From a JSON body to a command. Collects every wrong field, so that a caller can mend all at once.
struct CommandDecoder {
    private let tape: JSONTape
    private var fields: [Invalid.Field] = []

    static func decode(_ index: Int, _ body: Span<UInt8>) -> Result<Command, Invalid> {
        do throws(JSONError) {
            var decoder = CommandDecoder(tape: try JSONTape(body, limits: JSONLimits(values: 4096)))
            let command = decoder.command(index, body)
            guard let command, decoder.fields.isEmpty else {
                return .failure(Invalid("the command is not valid", decoder.fields))
            }
            return .success(command)
        } catch {
            let field = Invalid.Field(error.pointer, "\(error.reason.text), at byte \(error.offset)")
            return .failure(Invalid("the body is not valid JSON", [field]))
        }
    }

    private init(tape: JSONTape) { self.tape = tape }

    private mutating func command(_ index: Int, _ text: Span<UInt8>) -> Command? {
        guard isObject(0, at: "") else { return nil }
        switch index {
        case 0:
            let root = members(of: 0, at: "", [.userId, .item], text)
            let user = identifier(root[0], at: "/userId", text)
            guard let item = root[1] else {
                fields.append(.init("/item", "is required"))
                return nil
            }
            guard isObject(item, at: "/item") else { return nil }
            let inner = members(of: item, at: "/item", [.productId, .quantity], text)
            let product = identifier(inner[0], at: "/item/productId", text)
            let quantity = quantity(inner[1], atLeast: 1, at: "/item/quantity", text)
            guard let user, let product, let quantity else { return nil }
            return .cart(user, .add(product: product, quantity: quantity))
        case 1:
            let root = members(of: 0, at: "", [.userId, .productId], text)
            let user = identifier(root[0], at: "/userId", text)
            let product = identifier(root[1], at: "/productId", text)
            guard let user, let product else { return nil }
            return .cart(user, .remove(product: product))
        case 2:
            let root = members(of: 0, at: "", [.userId, .productId, .quantity], text)
            let user = identifier(root[0], at: "/userId", text)
            let product = identifier(root[1], at: "/productId", text)
            let quantity = quantity(root[2], atLeast: 0, at: "/quantity", text)
            guard let user, let product, let quantity else { return nil }
            return .cart(user, .update(product: product, quantity: quantity))
        case 3:
            let root = members(of: 0, at: "", [.userId], text)
            return identifier(root[0], at: "/userId", text).map { .cart($0, .empty) }
        default: return nil
        }
    }

    // MARK: - Members

    /// A field's name as proto JSON writes it, and as it may also be read.
    private struct Name {
        let camel: StaticString
        let snake: StaticString
        static let userId = Name(camel: "userId", snake: "user_id")
        static let productId = Name(camel: "productId", snake: "product_id")
        static let item = Name(camel: "item", snake: "item")
        static let quantity = Name(camel: "quantity", snake: "quantity")
    }

    private mutating func isObject(_ at: Int, at pointer: String) -> Bool {
        if tape[at].kind == .object { return true }
        fields.append(.init(pointer, "must be an object"))
        return false
    }

    /// The values of the known members, nil where absent or null; anything else in the object is wrong.
    private mutating func members(
        of object: Int, at pointer: String, _ names: [Name], _ text: Span<UInt8>
    ) -> [Int?] {
        var found = [Int?](repeating: nil, count: names.count)
        var seen = 0
        let end = tape.next(object)
        var at = object + 1
        while at < end {
            var known = false
            for (i, name) in names.enumerated() where isNamed(at, name, text) {
                known = true
                // userId and user_id at once
                if seen & 1 << i != 0 { report(at, pointer, "given twice", text) }
                seen |= 1 << i
                if tape[at + 1].kind != .null { found[i] = at + 1 }
            }
            if !known { report(at, pointer, "unknown member", text) }
            at = tape.next(at + 1)
        }
        return found
    }

    private func isNamed(_ at: Int, _ name: Name, _ text: Span<UInt8>) -> Bool {
        tape.string(at, equals: name.camel, in: text) || tape.string(at, equals: name.snake, in: text)
    }

    /// At most 16 wrong members are named one by one.
    private mutating func report(_ name: Int, _ pointer: String, _ error: String, _ text: Span<UInt8>) {
        guard fields.count < 16 else { return }
        fields.append(.init(JSONError.pointer(pointer, tape.string(name, in: text)), error))
    }

    // MARK: - Values

    private mutating func identifier(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Identifier? {
        guard let at else {
            fields.append(.init(pointer, "is required"))
            return nil
        }
        guard tape[at].kind == .string else {
            fields.append(.init(pointer, "must be a string"))
            return nil
        }
        guard let identifier = Identifier(tape.string(at, in: text)) else {
            fields.append(.init(pointer, Identifier.rule))
            return nil
        }
        return identifier
    }

    private mutating func quantity(
        _ at: Int?, atLeast least: Int32, at pointer: String, _ text: Span<UInt8>
    ) -> Int32? {
        guard let at else {
            fields.append(.init(pointer, "is required"))
            return nil
        }
        guard let value = tape.integer(at, in: text), let quantity = Int32(exactly: value), quantity >= least else {
            fields.append(.init(pointer, "must be an integer from \(least) to \(Int32.max)"))
            return nil
        }
        return quantity
    }
}

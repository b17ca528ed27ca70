import Exchanges

/// What was found wrong so far.
struct JSONSchemaFindings {
    var list: [JSONSchema.Violation] = []
    /// 0 = only whether there is anything: checking ends with the first.
    let most: Int
    /// Schemas that may still be looked at. Recursion through alternatives grows with the power of a value's depth, and
    /// whoever sends the value chooses that.
    var left: Int

    init(most: Int, _ tape: JSONTape) {
        self.most = most
        left = 10_000 + 100 * tape.entries.count
    }

    /// To try a schema without telling of it.
    init(muting other: JSONSchemaFindings) {
        most = 0
        left = other.left
    }

    var isFull: Bool { list.count >= most }
}

extension JSONSchema {
    /// Checks the value at `at` against a node. Goes as deep as the value, which the tape has bounded.
    func check(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        let before = findings.list.count
        findings.left -= 1
        guard findings.left > 0 else { return false }
        func report(_ error: @autoclosure () -> String, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings) {
            if !findings.isFull { findings.list.append(Violation(tape.pointer(to: at, in: text), error())) }
        }
        var fits = true
        let kind = kind(at, tape, text)
        if nodes[node].kinds.isDisjoint(with: kind) {
            report(expectation(nodes[node].kinds), text, &findings)
            return false
        }
        if let permitted = nodes[node].permitted, !permits(permitted, at, tape, text) {
            report("must be one of the listed values", text, &findings)
            fits = false
        }
        switch kind {
        case .integer, .fraction:
            if !isInRange(node, at, tape, text) {
                report("must be from \(nodes[node].least) to \(nodes[node].most)", text, &findings)
                fits = false
            }
            if let divisor = nodes[node].divisor, tape.integer(at, in: text).map({ $0 % divisor != 0 }) ?? true {
                report("must be a multiple of \(divisor)", text, &findings)
                fits = false
            }
        case .string:
            if let error = wrong(string: at, node, tape, text) {
                report("\(error)", text, &findings)
                fits = false
            }
        case .array:
            if nodes[node].items != nil || nodes[node].counts != nil {
                fits = check(array: at, node, tape, text, &findings) && fits
            }
        case .object: fits = check(object: at, node, tape, text, &findings) && fits
        default: break
        }
        guard fits || !findings.isFull else { return false }
        for other in nodes[node].all where !check(other, at, tape, text, &findings) { fits = false }
        if !nodes[node].any.isEmpty, count(of: nodes[node].any, at, tape, text, &findings) == 0 {
            report("fits none of the alternatives", text, &findings)
            fits = false
        }
        if !nodes[node].one.isEmpty, count(of: nodes[node].one, at, tape, text, &findings) != 1 {
            report("must fit exactly one of the alternatives", text, &findings)
            fits = false
        }
        if let excluded = nodes[node].excluded, count(of: [excluded], at, tape, text, &findings) == 1 {
            report("fits what it must not", text, &findings)
            fits = false
        }
        if let condition = nodes[node].condition {
            let holds = count(of: [condition], at, tape, text, &findings) == 1
            let consequence = holds ? nodes[node].consequence : nodes[node].alternative
            if let consequence, !check(consequence, at, tape, text, &findings) { fits = false }
        }
        return fits && findings.list.count == before && findings.left > 0
    }

    private func kind(_ at: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Kinds {
        switch tape[at].kind {
        case .null: .null
        case .true, .false: .boolean
        case .number: tape.integer(at, in: text) == nil ? .fraction : .integer
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }

    private func expectation(_ kinds: Kinds) -> String {
        if kinds.isEmpty { return "must not be here" }
        var names: [String] = []
        for (name, known) in Kinds.names where kinds.isSuperset(of: known) && !(name.description == "integer" && kinds.contains(.number)) {
            names.append("\(name)")
        }
        return "must be of type " + names.joined(separator: " or ")
    }

    private func permits(_ permitted: [Permitted], _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Bool {
        let raw = text.extracting(tape[at].text.range)
        let escaped = tape[at].escaped
        for value in permitted {
            switch (value, tape[at].kind) {
            case (.null, .null), (.bool(true), .true), (.bool(false), .false): return true
            case (.text(let wanted), .string):
                if escaped ? tape.string(at, in: text) == wanted : raw.isEqual(to: wanted) { return true }
            case (.integer(let wanted), .number): if tape.integer(at, in: text) == wanted { return true }
            default: break
            }
        }
        return false
    }

    private func isInRange(_ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Bool {
        let (least, most) = (nodes[node].least, nodes[node].most)
        if let value = tape.integer(at, in: text) {
            return (nodes[node].isAboveLeast ? value > least : value >= least)
                && (nodes[node].isBelowMost ? value < most : value <= most)
        }
        guard least != .min || most != .max else { return true }
        // No integer equals it, so whether the bounds themselves are allowed makes no difference.
        guard let value = JSONNumber.double(text.extracting(tape[at].text.range)) else { return false }
        return value >= Double(least) && value <= Double(most)
    }

    private func wrong(string at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> StaticString? {
        guard nodes[node].lengths != nil || nodes[node].pattern != nil || nodes[node].isTime else { return nil }
        if tape[at].escaped { return wrong(characters: tape.string(at, in: text).span, node) }
        return wrong(characters: text.extracting(tape[at].text.range), node)
    }

    private func wrong(characters: Span<UInt8>, _ node: Int) -> StaticString? {
        if let lengths = nodes[node].lengths {
            // As many as there are code points; at most as many as there are bytes.
            var count = 0
            for i in characters.indices where characters[i] & 0xC0 != 0x80 { count &+= 1 }
            if count < lengths.lowerBound { return "is too short" }
            if count > lengths.upperBound { return "is too long" }
        }
        if nodes[node].pattern?.matches(characters) == false { return "does not have the required form" }
        if nodes[node].isTime && TimeText.timestamp(characters) == nil { return "must be a time as RFC 3339 writes it" }
        return nil
    }

    private func check(
        array at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        var count = 0
        var item = at + 1
        while item < tape.next(at) {
            if let items = nodes[node].items, !check(items, item, tape, text, &findings) {
                fits = false
                if findings.isFull { return false }
            }
            count += 1
            item = tape.next(item)
        }
        if let counts = nodes[node].counts, !counts.contains(count) {
            if !findings.isFull {
                let error = count < counts.lowerBound ? "has too few items" : "has too many items"
                findings.list.append(Violation(tape.pointer(to: at, in: text), error))
            }
            return false
        }
        return fits
    }

    private func check(
        object at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        var missing = nodes[node].required
        var expected = 0
        var name = at + 1
        let end = tape.next(at)
        var count = 0
        while name < end {
            let value = name + 1
            count += 1
            if let member = member(name, node, expected, tape, text) {
                expected = member + 1
                missing &= ~(1 << UInt64(member))
                if let schema = nodes[node].members[member].node, !check(schema, value, tape, text, &findings) { fits = false }
            } else {
                switch nodes[node].others {
                case .any: break
                case .none:
                    if !findings.isFull {
                        findings.list.append(Violation(tape.pointer(to: value, in: text), "unknown member"))
                    }
                    fits = false
                case .node(let schema): if !check(schema, value, tape, text, &findings) { fits = false }
                }
            }
            if !fits && findings.isFull { return false }
            name = tape.next(value)
        }
        if let sizes = nodes[node].sizes, !sizes.contains(count) {
            if !findings.isFull {
                let error = count < sizes.lowerBound ? "has too few members" : "has too many members"
                findings.list.append(Violation(tape.pointer(to: at, in: text), error))
            }
            fits = false
        }
        guard missing != 0 else { return fits }
        for (i, member) in nodes[node].members.enumerated() where missing & 1 << UInt64(i) != 0 && !findings.isFull {
            findings.list.append(Violation(JSONError.pointer(tape.pointer(to: at, in: text), member.name), "is required"))
        }
        return false
    }

    /// Which of the node's members has this name. `expected` is looked at first: writers keep the order of the schema.
    private func member(_ name: Int, _ node: Int, _ expected: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Int? {
        if tape[name].escaped {
            let name = tape.string(name, in: text)
            return nodes[node].members.firstIndex { $0.name == name }
        }
        let raw = text.extracting(tape[name].text.range)
        let count = nodes[node].members.count
        if expected < count && raw.isEqual(to: nodes[node].members[expected].name) { return expected }
        for i in 0..<count where raw.isEqual(to: nodes[node].members[i].name) { return i }
        return nil
    }

    /// How many of the schemas the value fits.
    private func count(
        of others: [Int], _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Int {
        var found = 0
        for other in others {
            var muted = JSONSchemaFindings(muting: findings)
            if check(other, at, tape, text, &muted) { found += 1 }
            findings.left = muted.left
        }
        return found
    }
}

extension Span<UInt8> {
    fileprivate func isEqual(to other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        for i in other.indices where self[i] != other[i] { return false }
        return true
    }
}

extension JSONTape {
    /// RFC 6901: where the value at `target` is.
    func pointer(to target: Int, in text: Span<UInt8>) -> String {
        var pointer = ""
        var at = 0
        while at < target {
            let isObject = self[at].kind == .object
            var child = at + 1
            var index = 0
            while next(isObject ? child + 1 : child) <= target {
                child = next(isObject ? child + 1 : child)
                index += 1
            }
            pointer.append(step: isObject ? string(child, in: text) : Array(String(index).utf8))
            at = isObject ? child + 1 : child
        }
        return pointer
    }
}

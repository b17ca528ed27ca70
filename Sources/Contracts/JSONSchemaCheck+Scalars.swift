import Exchanges

/// Numbers, texts, and listed values.
extension JSONSchema {
    func isPermitted(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        switch tape[at].kind {
        case .array, .object: findings.spend(tape.next(at) - at + Int(tape[at].text.count) >> 6)
        default: findings.spend(Int(tape[at].text.count) >> 6)
        }
        return nodes[node].permitted?.contains(at, tape, text) ?? true
    }

    // MARK: - Numbers

    /// - Parameter integer: the number, when it is one of 64 bits.
    func isInRange(_ node: Int, _ integer: Int64?, _ number: Span<UInt8>) -> Bool {
        if let integer {
            guard integer >= nodes[node].least, integer <= nodes[node].most else { return false }
            guard nodes[node].hasFractionalBounds else { return true }
        }
        guard !nodes[node].bounds.isEmpty else { return true }
        let decimal = JSONDecimal(number)
        for bound in nodes[node].bounds {
            let order = decimal.compared(in: number, to: bound.decimal, in: bound.text.span)
            if order == 0 ? bound.isOpen : (order > 0) == bound.isUpper { return false }
        }
        return true
    }

    func isMultiple(_ node: Int, _ integer: Int64?, _ number: Span<UInt8>, _ findings: inout JSONSchemaFindings) -> Bool {
        guard let divisor = nodes[node].divisor else { return true }
        if let integer, let whole = divisor.whole { return integer % whole == 0 }
        findings.spend(number.count >> 2)
        return divisor.divides(JSONDecimal(number), in: number)
    }

    /// `must be from 1 to 9`, `must be more than 0`
    func rangeText(_ node: Int) -> String {
        let bounds = nodes[node].bounds
        if let low = bounds.first(where: { !$0.isUpper }), let high = bounds.first(where: \.isUpper), bounds.count == 2, !low.isOpen, !high.isOpen {
            return "must be from \(String(decoding: low.text, as: UTF8.self)) to \(String(decoding: high.text, as: UTF8.self))"
        }
        let parts = bounds.map { bound in
            (bound.isUpper ? bound.isOpen ? "less than " : "at most " : bound.isOpen ? "more than " : "at least ")
                + String(decoding: bound.text, as: UTF8.self)
        }
        return "must be " + parts.joined(separator: " and ")
    }

    // MARK: - Texts

    func wrong(
        string at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> StaticString? {
        guard nodes[node].lengths != nil || nodes[node].pattern != nil || nodes[node].format != nil else { return nil }
        findings.spend(Int(tape[at].text.count) >> 6)
        if tape[at].escaped { return wrong(characters: tape.string(at, in: text).span, node, &findings) }
        return wrong(characters: text.extracting(tape[at].text.range), node, &findings)
    }

    private func wrong(characters: Span<UInt8>, _ node: Int, _ findings: inout JSONSchemaFindings) -> StaticString? {
        if let lengths = nodes[node].lengths {
            // As many as there are code points; at most as many as there are bytes.
            var count = 0
            for i in characters.indices where characters[i] & 0xC0 != 0x80 { count &+= 1 }
            if count < lengths.lowerBound { return "is too short" }
            if count > lengths.upperBound { return "is too long" }
        }
        if let format = nodes[node].format, !format.accepts(characters) { return format.demand }
        if let matches = nodes[node].pattern?.matches(characters, &findings), !matches { return "does not have the required form" }
        return nil
    }
}

import Exchanges

extension JSONSchema {
    /// Checks the value at `at` against a node. Goes as deep as the value, which the tape has bounded, times the schemas
    /// in each other that apply to one value, which the compiler has.
    func check(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        let evaluated = findings.evaluated.count
        let fits = apply(node, at, tape, text, &findings)
        // What does not fit has evaluated nothing.
        if !fits && nodes[node].isTracked { findings.forget(downTo: evaluated) }
        return fits
    }

    /// The same for an item or a member's value: what is evaluated inside it is nobody's business outside.
    func check(
        child node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        let evaluated = findings.evaluated.count
        let fits = check(node, at, tape, text, &findings)
        findings.forget(downTo: evaluated)
        return fits
    }

    private func apply(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        let evaluated = findings.evaluated.count
        findings.spend(1)
        guard findings.left > 0 else { return false }
        let raw = text.extracting(tape[at].text.range)
        var integer: Int64?
        let kind: Kinds
        switch tape[at].kind {
        case .null: kind = .null
        case .true, .false: kind = .boolean
        case .number:
            integer = JSONNumber.integer(raw)
            kind = integer != nil || JSONDecimal(raw).isInteger ? .integer : .fraction
            findings.spend(raw.count >> 6)
        case .string: kind = .string
        case .array: kind = .array
        case .object: kind = .object
        }
        if nodes[node].kinds.isDisjoint(with: kind) {
            findings.report(tape.pointer(to: at, in: text), expectation(nodes[node].kinds))
            return false
        }
        var fits = true
        if nodes[node].permitted != nil, !isPermitted(node, at, tape, text, &findings) {
            findings.report(tape.pointer(to: at, in: text), "must be one of the listed values")
            fits = false
        }
        switch kind {
        case .integer, .fraction:
            if !isInRange(node, integer, raw) {
                findings.report(tape.pointer(to: at, in: text), rangeText(node))
                fits = false
            }
            if nodes[node].divisor != nil, !isMultiple(node, integer, raw, &findings) {
                findings.report(tape.pointer(to: at, in: text), "must be a multiple of \(nodes[node].divisor?.text ?? "")")
                fits = false
            }
        case .string:
            if let error = wrong(string: at, node, tape, text, &findings) {
                findings.report(tape.pointer(to: at, in: text), "\(error)")
                fits = false
            }
        case .array:
            if nodes[node].looksAtItems { fits = check(array: at, node, tape, text, &findings) && fits }
        case .object: fits = check(object: at, node, tape, text, &findings) && fits
        default: break
        }
        guard fits || !findings.isFull else { return false }
        fits = applyOthers(node, at, tape, text, &findings) && fits
        guard fits, findings.left > 0 else { return false }
        if kind == .array, let rest = nodes[node].unevaluatedItems {
            fits = check(unevaluatedItemsOf: at, rest, from: evaluated, tape, text, &findings)
        } else if kind == .object, let rest = nodes[node].unevaluatedMembers {
            fits = check(unevaluatedMembersOf: at, rest, from: evaluated, tape, text, &findings)
        }
        return fits && findings.left > 0
    }

    /// The schemas for the same value.
    private func applyOthers(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        for i in nodes[node].all.indices where !check(nodes[node].all[i], at, tape, text, &findings) {
            fits = false
            if findings.isFull { return false }
        }
        // What the second fitting alternative evaluates counts too; where nobody asks, the first is enough.
        let isTracked = nodes[node].isTracked
        if !nodes[node].any.isEmpty {
            var found = false
            for i in nodes[node].any.indices where isTracked || !found {
                if isFitting(nodes[node].any[i], at, tape, text, &findings) { found = true }
            }
            if !found {
                findings.report(tape.pointer(to: at, in: text), "fits none of the alternatives")
                fits = false
            }
        }
        if !nodes[node].one.isEmpty {
            var count = 0
            for i in nodes[node].one.indices where count < 2 {
                if isFitting(nodes[node].one[i], at, tape, text, &findings) { count += 1 }
            }
            if count != 1 {
                findings.report(tape.pointer(to: at, in: text), "must fit exactly one of the alternatives")
                fits = false
            }
        }
        if let excluded = nodes[node].excluded {
            let evaluated = findings.evaluated.count
            if isFitting(excluded, at, tape, text, &findings) {
                findings.report(tape.pointer(to: at, in: text), "fits what it must not")
                fits = false
            }
            findings.forget(downTo: evaluated)
        }
        if let condition = nodes[node].condition {
            let holds = isFitting(condition, at, tape, text, &findings)
            let consequence = holds ? nodes[node].consequence : nodes[node].alternative
            if let consequence, !check(consequence, at, tape, text, &findings) { fits = false }
        }
        return fits && findings.left > 0
    }

    /// The same as `check`, and nobody is told why not.
    func isFitting(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        findings.mute()
        let fits = check(node, at, tape, text, &findings)
        findings.unmute()
        return fits
    }

    private func expectation(_ kinds: Kinds) -> String {
        if kinds.isEmpty { return "must not be here" }
        var names: [String] = []
        for (name, known) in Kinds.names where kinds.isSuperset(of: known) && !(name.description == "integer" && kinds.contains(.number)) {
            names.append("\(name)")
        }
        return "must be of type " + names.joined(separator: " or ")
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

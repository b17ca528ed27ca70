import Exchanges

extension JSONSchema {
    func check(
        object at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        var found = 0
        var expected = 0
        var count = 0
        let isTracked = nodes[node].isTracked
        var name = at + 1
        let end = tape.next(at)
        while name < end {
            let value = name + 1
            count += 1
            findings.spend(1)
            guard findings.left > 0 else { return false }
            var isKnown = false
            if let member = member(name, node, expected, tape, text) {
                expected = member + 1
                if nodes[node].members[member].isRequired { found += 1 }
                if let schema = nodes[node].members[member].node {
                    isKnown = true
                    if !check(child: schema, value, tape, text, &findings) { fits = false }
                }
            }
            if !nodes[node].patterns.isEmpty, !check(patternsOf: name, node, &isKnown, tape, text, &findings) { fits = false }
            if !isKnown {
                switch nodes[node].others {
                case .any: break
                case .none:
                    findings.report(tape.pointer(to: value, in: text), "unknown member")
                    fits = false
                case .node(let schema):
                    isKnown = true
                    if !check(child: schema, value, tape, text, &findings) { fits = false }
                }
            }
            if isKnown && isTracked { findings.evaluate(value) }
            if let names = nodes[node].names, !isFitting(names, name, tape, text, &findings) {
                findings.report(tape.pointer(to: value, in: text), "has a name that is not allowed")
                fits = false
            }
            if !fits && findings.isFull { return false }
            name = tape.next(value)
        }
        if let sizes = nodes[node].sizes, !sizes.contains(count) {
            findings.report(tape.pointer(to: at, in: text), count < sizes.lowerBound ? "has too few members" : "has too many members")
            fits = false
        }
        if found < nodes[node].requiredCount {
            reportMissing(at, node, tape, text, &findings)
            fits = false
        }
        guard !nodes[node].dependents.isEmpty, fits || !findings.isFull else { return fits }
        return checkDependents(at, node, tape, text, &findings) && fits
    }

    /// Which of the node's members has this name. `expected` is looked at first: writers keep the order of the schema.
    private func member(_ name: Int, _ node: Int, _ expected: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Int? {
        let raw = text.extracting(tape[name].text.range)
        if tape[name].escaped { return member(JSONString.unescaped(raw).span, node, expected) }
        return member(raw, node, expected)
    }

    private func member(_ name: Span<UInt8>, _ node: Int, _ expected: Int) -> Int? {
        let count = nodes[node].members.count
        if expected < count && name.isEqual(to: nodes[node].members[expected].name) { return expected }
        guard !nodes[node].order.isEmpty else {
            for i in 0..<count where name.isEqual(to: nodes[node].members[i].name) { return i }
            return nil
        }
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            let place = nodes[node].order[middle]
            let order = name.compared(to: nodes[node].members[place].name)
            if order == 0 { return place }
            if order > 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    private func check(
        patternsOf name: Int, _ node: Int, _ isKnown: inout Bool, _ tape: JSONTape, _ text: Span<UInt8>,
        _ findings: inout JSONSchemaFindings
    ) -> Bool {
        let raw = text.extracting(tape[name].text.range)
        if tape[name].escaped { return check(patterns: JSONString.unescaped(raw).span, name + 1, node, &isKnown, tape, text, &findings) }
        return check(patterns: raw, name + 1, node, &isKnown, tape, text, &findings)
    }

    /// The value of the member with this name against the schemas of each pattern that the name matches.
    private func check(
        patterns name: Span<UInt8>, _ value: Int, _ node: Int, _ isKnown: inout Bool, _ tape: JSONTape, _ text: Span<UInt8>,
        _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        for i in nodes[node].patterns.indices {
            let matches = nodes[node].patterns[i].pattern.matches(name, &findings)
            guard findings.left > 0 else { return false }
            guard matches else { continue }
            isKnown = true
            if !check(child: nodes[node].patterns[i].node, value, tape, text, &findings) {
                fits = false
                if findings.isFull { return false }
            }
        }
        return fits
    }

    /// Something required is not there: what, is looked for only now, and only if somebody is told.
    private func reportMissing(
        _ at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) {
        guard !findings.isFull else { return }
        var found = [Bool](repeating: false, count: nodes[node].members.count)
        var name = at + 1
        while name < tape.next(at) {
            if let member = member(name, node, 0, tape, text) { found[member] = true }
            name = tape.next(name + 1)
        }
        for (i, member) in nodes[node].members.enumerated() where member.isRequired && !found[i] {
            findings.report(JSONError.pointer(tape.pointer(to: at, in: text), member.name), "is required")
        }
    }

    /// The value of the member with this name.
    private func value(
        of wanted: [UInt8], in object: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Int? {
        // A look at a name is a fraction of a look at a schema.
        var passed = 8
        defer { findings.spend(passed >> 3) }
        var name = object + 1
        while name < tape.next(object) {
            passed += 1
            let raw = text.extracting(tape[name].text.range)
            if tape[name].escaped ? JSONString.unescaped(raw) == wanted : raw.isEqual(to: wanted) { return name + 1 }
            name = tape.next(name + 1)
        }
        return nil
    }

    private func checkDependents(
        _ at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        for i in nodes[node].dependents.indices {
            guard findings.left > 0 else { return false }
            guard value(of: nodes[node].dependents[i].name, in: at, tape, text, &findings) != nil else { continue }
            for required in nodes[node].dependents[i].required where value(of: required, in: at, tape, text, &findings) == nil {
                findings.report(
                    JSONError.pointer(tape.pointer(to: at, in: text), required),
                    "is required with '\(String(decoding: nodes[node].dependents[i].name, as: UTF8.self))'")
                fits = false
            }
            if let schema = nodes[node].dependents[i].node, !check(schema, at, tape, text, &findings) { fits = false }
            if !fits && findings.isFull { return false }
        }
        return fits
    }
}

import Exchanges

extension JSONSchema {
    func check(
        array at: Int, _ node: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        var count = 0
        var contained = 0
        let isTracked = nodes[node].isTracked
        var item = at + 1
        while item < tape.next(at) {
            findings.spend(1)
            guard findings.left > 0 else { return false }
            let schema = count < nodes[node].prefix.count ? nodes[node].prefix[count] : nodes[node].items
            if let schema {
                if isTracked { findings.evaluate(item) }
                if !check(child: schema, item, tape, text, &findings) {
                    fits = false
                    if findings.isFull { return false }
                }
            }
            if let schema = nodes[node].contained, isChildFitting(schema, item, tape, text, &findings) {
                if isTracked { findings.evaluate(item) }
                contained += 1
            }
            count += 1
            item = tape.next(item)
        }
        if let counts = nodes[node].counts, !counts.contains(count) {
            findings.report(tape.pointer(to: at, in: text), count < counts.lowerBound ? "has too few items" : "has too many items")
            fits = false
        }
        if nodes[node].contained != nil, !nodes[node].containedCounts.contains(contained) {
            let isFew = contained < nodes[node].containedCounts.lowerBound
            findings.report(tape.pointer(to: at, in: text), isFew ? "has too few of the items it must contain" : "has too many of some items")
            fits = false
        }
        if nodes[node].isUnique, fits || !findings.isFull, let twin = repeated(in: at, tape, text, &findings) {
            findings.report(tape.pointer(to: twin, in: text), "is there already")
            fits = false
        }
        return fits
    }

    private func isChildFitting(
        _ node: Int, _ at: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings
    ) -> Bool {
        findings.mute()
        let fits = check(child: node, at, tape, text, &findings)
        findings.unmute()
        return fits
    }

    /// The first item of an array that equals one before it: one look at each.
    private func repeated(in array: Int, _ tape: JSONTape, _ text: Span<UInt8>, _ findings: inout JSONSchemaFindings) -> Int? {
        findings.spend(tape.next(array) - array + Int(tape[array].text.count) >> 6)
        guard findings.left > 0 else { return nil }
        var seen: Set<JSONDigest> = []
        var item = array + 1
        while item < tape.next(array) {
            guard seen.insert(JSONDigest(tape, item, text)).inserted else { return item }
            item = tape.next(item)
        }
        return nil
    }

    /// Items that no schema of this value has looked at, from the `from`th evaluated place on.
    func check(
        unevaluatedItemsOf at: Int, _ rest: Int, from: Int, _ tape: JSONTape, _ text: Span<UInt8>,
        _ findings: inout JSONSchemaFindings
    ) -> Bool {
        findings.note(from: from, tape)
        // Inside, others take notes: what is left is listed first.
        var left: [Int] = []
        var item = at + 1
        while item < tape.next(at) {
            findings.spend(1)
            if !findings.isNoted(item) { left.append(item) }
            item = tape.next(item)
        }
        return check(left, rest, "an item that nothing allows", tape, text, &findings)
    }

    /// The same of members.
    func check(
        unevaluatedMembersOf at: Int, _ rest: Int, from: Int, _ tape: JSONTape, _ text: Span<UInt8>,
        _ findings: inout JSONSchemaFindings
    ) -> Bool {
        findings.note(from: from, tape)
        var left: [Int] = []
        var name = at + 1
        while name < tape.next(at) {
            findings.spend(1)
            if !findings.isNoted(name + 1) { left.append(name + 1) }
            name = tape.next(name + 1)
        }
        return check(left, rest, "unknown member", tape, text, &findings)
    }

    private func check(
        _ left: [Int], _ rest: Int, _ error: StaticString, _ tape: JSONTape, _ text: Span<UInt8>,
        _ findings: inout JSONSchemaFindings
    ) -> Bool {
        var fits = true
        for value in left {
            findings.evaluate(value)
            if nodes[rest].kinds.isEmpty {
                findings.report(tape.pointer(to: value, in: text), "\(error)")
                fits = false
            } else if !check(child: rest, value, tape, text, &findings) {
                fits = false
            }
            if !fits && findings.isFull { return false }
        }
        return fits
    }
}

import Contracts

// What commands show people of the daemon's reports.

extension [[String]] {
    /// Rows under each other, two blanks between columns.
    var aligned: String {
        let widths = (first ?? []).indices.map { i in map { $0[i].count }.max() ?? 0 }
        return map { row in
            var line = ""
            for (cell, width) in zip(row, widths) { line += cell + String(repeating: " ", count: width - cell.count + 2) }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}

extension JSONValue {
    /// The member on one line, with nothing in it that a terminal would obey; `-` when there is none.
    func shown(_ name: String) -> String {
        let text =
            switch self[name] {
            case .string(let text)?, .number(let text)?: text
            case .bool(let value)?: "\(value)"
            default: "-"
            }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// The member's items; none when it is no list.
    func items(_ name: String) -> [JSONValue] {
        guard case .array(let items)? = self[name] else { return [] }
        return items
    }
}

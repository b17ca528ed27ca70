import Contracts

/// A list of sagas for people: a line each.
struct SagaTable {
    private let sagas: [JSONValue]
    /// Where the next page begins.
    private let next: String?

    init(_ report: JSONValue) {
        if case .array(let sagas) = report["sagas"] { self.sagas = sagas } else { sagas = [] }
        next = report["nextToken"].map { _ in report.shown("nextToken") }
    }

    func render() -> String {
        var rows = [["SAGA", "STATUS", "SINCE", "WAITS FOR"]]
        for saga in sagas {
            rows.append([saga.shown("sagaId"), saga.shown("status"), since(saga), waits(saga)])
        }
        return rows.aligned + (next.map { "more: --token \($0)\n" } ?? "")
    }

    private func since(_ saga: JSONValue) -> String {
        saga["endedAt"] == nil ? saga.shown("updatedAt") : saga.shown("endedAt")
    }

    private func waits(_ saga: JSONValue) -> String {
        let tasks = saga.list("tasks")
        if !tasks.isEmpty { return "people: " + tasks.joined(separator: ", ") }
        let parked = saga.list("parked")
        guard !parked.isEmpty else { return "-" }
        return parked.joined(separator: ", ") + (saga["nextTryAt"] == nil ? "" : ", next try \(saga.shown("nextTryAt"))")
    }
}

/// One saga for people: what it is, its steps, and its tasks.
struct SagaSheet {
    private let saga: JSONValue

    init(_ saga: JSONValue) { self.saga = saga }

    func render() -> String {
        var lines = ["\(saga.shown("sagaId")) (\(saga.shown("definition"))): \(saga.shown("status"))"]
        if saga["reason"] != nil { lines.append("reason: \(saga.shown("reason"))") }
        var rows = [["STEP", "STATUS", "ATTEMPTS", "REASON OR NOTE"]]
        for step in saga.objects("steps") {
            let why = step["reason"] == nil ? step.shown("note") : step.shown("reason")
            rows.append([step.shown("name"), step.shown("status"), step.shown("attempts"), why])
        }
        var text = lines.map { $0 + "\n" }.joined() + rows.aligned
        for task in saga.objects("tasks") {
            let part = task.shown("part") == "compensation" ? "undo of " : ""
            let state = task["decision"] == nil ? "open" : task.shown("decision")
            text += "task (\(state)) for \(part)\(task.shown("step")): \(task.shown("text"))\n"
        }
        return text
    }
}

extension [[String]] {
    /// Rows under each other, two blanks between columns.
    fileprivate var aligned: String {
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
    /// The member's text or number without what a terminal would obey; `-` when there is none.
    fileprivate func shown(_ name: String) -> String {
        switch self[name] {
        case .string(let text), .number(let text):
            String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
        default: "-"
        }
    }

    fileprivate func list(_ name: String) -> [String] {
        guard case .array(let items) = self[name] else { return [] }
        return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    fileprivate func objects(_ name: String) -> [JSONValue] {
        guard case .array(let items) = self[name] else { return [] }
        return items
    }
}

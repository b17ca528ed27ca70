import Contracts

/// A list of sagas for people: a line each.
struct SagaTable {
    private let sagas: [JSONValue]
    /// Where the next page begins.
    private let next: String?

    init(_ report: JSONValue) {
        sagas = report.items("sagas")
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
        for step in saga.items("steps") {
            let why = step["reason"] == nil ? step.shown("note") : step.shown("reason")
            rows.append([step.shown("name"), step.shown("status"), step.shown("attempts"), why])
        }
        var text = lines.map { $0 + "\n" }.joined() + rows.aligned
        for task in saga.items("tasks") {
            let part = task.shown("part") == "compensation" ? "undo of " : ""
            let state = task["decision"] == nil ? "open" : task.shown("decision")
            text += "task (\(state)) for \(part)\(task.shown("step")): \(task.shown("text"))\n"
        }
        return text
    }
}

extension JSONValue {
    /// The member's texts.
    fileprivate func list(_ name: String) -> [String] {
        items(name).compactMap { if case .string(let text) = $0 { text } else { nil } }
    }
}

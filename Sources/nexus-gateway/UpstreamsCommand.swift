import ArgumentParser
import Contracts
import Exchanges

/// `nexus-gateway upstreams`: what the running daemon knows of its clusters.
struct UpstreamsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upstreams", abstract: "Print the state of every upstream of the running daemon.",
        discussion: "Asks GET /upstreams of the admin listener that the configuration names.")

    @OptionGroup var daemon: AskedDaemon

    func run() throws {
        try daemon.print(try daemon.ask(.get, "/upstreams")) { UpstreamsTable($0).render() }
    }
}

/// The daemon's report for people: a line an endpoint.
struct UpstreamsTable {
    private let clusters: [JSONValue]

    init(_ report: JSONValue) {
        if case .array(let clusters) = report["clusters"] { self.clusters = clusters } else { clusters = [] }
    }

    func render() -> String {
        var rows = [["CLUSTER", "ENDPOINT", "STATE", "ACTIVE", "CONNECTIONS", "BREAKER", "BULKHEAD", "RETRIES"]]
        for cluster in clusters {
            guard case .array(let endpoints) = cluster["endpoints"] else { continue }
            let shared = [cluster.text("breaker"), bulkhead(cluster), retries(cluster)]
            if endpoints.isEmpty { rows.append([cluster.text("name"), "(none)", "-", "-", "-"] + shared) }
            for endpoint in endpoints {
                rows.append(
                    [cluster.text("name"), endpoint.text("address"), state(endpoint), endpoint.text("active"),
                        endpoint.text("connections")] + shared)
            }
        }
        let widths = rows[0].indices.map { i in rows.map { $0[i].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) { line += cell + String(repeating: " ", count: width - cell.count + 2) }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    private func state(_ endpoint: JSONValue) -> String {
        let word = endpoint.text("state")
        if let left = Int(endpoint.text("ejectedForMs")) { return "\(word) for \((left + 999) / 1000)s" }
        let share = endpoint.text("sharePercent")
        return word == "healthy" && share != "100" ? "healthy, \(share)%" : word
    }

    private func bulkhead(_ cluster: JSONValue) -> String {
        guard let bulkhead = cluster["bulkhead"], case .object = bulkhead else { return "off" }
        return "\(bulkhead.text("running"))/\(bulkhead.text("concurrent")), \(bulkhead.text("waiting")) wait"
    }

    /// Of the last ten seconds; refused since the start.
    private func retries(_ cluster: JSONValue) -> String {
        guard let budget = cluster["retryBudget"] else { return "-" }
        return "\(budget.text("retries")) of \(budget.text("requests")) requests, \(budget.text("refused")) refused"
    }
}

extension JSONValue {
    /// The member's text or number; `-` when there is none.
    fileprivate func text(_ name: String) -> String {
        switch self[name] {
        case .string(let text), .number(let text): text
        default: "-"
        }
    }
}

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
        clusters = report.items("clusters")
    }

    func render() -> String {
        var rows = [["CLUSTER", "ENDPOINT", "STATE", "ACTIVE", "CONNECTIONS", "BREAKER", "BULKHEAD", "RETRIES"]]
        for cluster in clusters {
            guard case .array(let endpoints) = cluster["endpoints"] else { continue }
            let shared = [cluster.shown("breaker"), bulkhead(cluster), retries(cluster)]
            if endpoints.isEmpty { rows.append([cluster.shown("name"), "(none)", "-", "-", "-"] + shared) }
            for endpoint in endpoints {
                rows.append(
                    [cluster.shown("name"), endpoint.shown("address"), state(endpoint), endpoint.shown("active"),
                        endpoint.shown("connections")] + shared)
            }
        }
        return rows.aligned
    }

    private func state(_ endpoint: JSONValue) -> String {
        let word = endpoint.shown("state")
        if let left = Int(endpoint.shown("ejectedForMs")) { return "\(word) for \((left + 999) / 1000)s" }
        let share = endpoint.shown("sharePercent")
        return word == "healthy" && share != "100" ? "healthy, \(share)%" : word
    }

    private func bulkhead(_ cluster: JSONValue) -> String {
        guard let bulkhead = cluster["bulkhead"], case .object = bulkhead else { return "off" }
        return "\(bulkhead.shown("running"))/\(bulkhead.shown("concurrent")), \(bulkhead.shown("waiting")) wait"
    }

    /// Of the last ten seconds; refused since the start.
    private func retries(_ cluster: JSONValue) -> String {
        guard let budget = cluster["retryBudget"] else { return "-" }
        return "\(budget.shown("retries")) of \(budget.shown("requests")) requests, \(budget.shown("refused")) refused"
    }
}

import ArgumentParser
import Contracts
import Reactor
import Settings

/// `nexus-gateway upstreams`: what the running daemon knows of its clusters.
struct UpstreamsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upstreams", abstract: "Print the state of every upstream of the running daemon.",
        discussion: "Asks GET /upstreams of the admin listener that the configuration names.")

    @Flag(help: "The daemon's answer as it is.")
    var json = false

    @Option(help: "Where the daemon's admin listener is, when not as configured: ip:port or unix:/path.")
    var admin: String?

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let client = AdminClient(address: try address())
        let body: [UInt8]
        do {
            body = try client.get("/upstreams")
        } catch {
            throw ValidationError("\(error)")
        }
        if json {
            print(String(decoding: body, as: UTF8.self))
            return
        }
        let limits = JSONLimits(bytes: 64 << 20)
        guard let report = try? JSONValue(body.span, limits: limits) else {
            throw ValidationError("what answers on \(client.address) is no gateway")
        }
        print(UpstreamsTable(report).render(), terminator: "")
    }

    private func address() throws -> SocketAddress {
        if let admin {
            guard let address = try? Address(admin), let found = SocketAddress(dialing: address) else {
                throw ValidationError("'\(admin)' is no literal address")
            }
            return found
        }
        guard let listener = try options.load().configuration.admin else {
            throw ValidationError("the configuration has no admin listener to ask")
        }
        guard let found = SocketAddress(dialing: listener.address), found.isDialable else {
            throw ValidationError("the admin listener's port is the system's choice: name it with --admin")
        }
        return found
    }
}

extension SocketAddress {
    /// Nil for a name.
    fileprivate init?(dialing address: Address) {
        switch address {
        case .unix(let path): self = .unix(path)
        case .tcp(.literal(let ip), let port): self = SocketAddress(mapped: ip.high, ip.low, port: port)
        case .tcp(.name, _): return nil
        }
    }

    fileprivate var isDialable: Bool {
        if case .unix = self { return true }
        return port > 0
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

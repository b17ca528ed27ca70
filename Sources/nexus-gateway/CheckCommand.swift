import ArgumentParser
import Contracts
import Gateway
import Glibc
import Routes
import Settings
import TLS

/// `--config`, for every command that reads the files.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .long, help: "The configuration file (default: config/nexus.yaml if it exists).")
    var config: String?

    /// The loaded files; prints warnings. With errors it prints every one and exits 78 (`EX_CONFIG`).
    /// - Parameters:
    ///   - breaking: what it is to break what was published; nil = nobody asks.
    ///   - warns: false for who only asks a daemon that has said them itself.
    func load(vault: TicketVault = TicketVault(), breaking: Diagnostic.Severity? = nil, warns: Bool = true) throws -> LoadedConfiguration {
        switch LoadedConfiguration.load(config, vault: vault, breaking: breaking) {
        case .success(let loaded):
            if warns { ConfigurationOptions.report(loaded.warnings) }
            return loaded
        case .failure(let invalid):
            ConfigurationOptions.report(invalid.diagnostics)
            throw ExitCode(78)
        }
    }

    /// One problem a line on standard error.
    static func report(_ diagnostics: [Diagnostic]) {
        // Not `stderr`: the stream is a mutable global, the descriptor is a number.
        var text = Array(diagnostics.map { "\($0)\n" }.joined().utf8)[...]
        while !text.isEmpty {
            let n = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { return }
            text = text.dropFirst(n)
        }
    }
}

/// `nexus-gateway check`: is everything in the files right?
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check the configuration and the routes; name every problem.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let loaded = try options.load(breaking: .error)
        let configuration = loaded.configuration
        func count(_ n: Int, _ noun: String) -> String { "\(n) \(noun)\(n == 1 ? "" : "s")" }
        for listener in configuration.allListeners { print("listener \(listener.name) \(listener.address)") }
        for cluster in configuration.clusters {
            print("cluster \(cluster.name) \(cluster.endpoints.map { "\($0)" }.joined(separator: " "))")
        }
        if let schema = loaded.contracts.schema {
            print("contracts " + count(schema.services.count, "service") + ", " + count(schema.methods.count, "method"))
        }
        print(
            "ok: " + count(configuration.allListeners.count, "listener") + ", "
                + count(configuration.clusters.count, "cluster") + ", " + count(loaded.table.routes.count, "route"))
    }
}

import Adapters
import Bridge
import Contracts
import EventCore
import Gateway
import Glibc
import Routes
import Sagas
import Settings
import TLS

/// What the files say, checked as a whole: the configuration and its compiled routes. Immutable; one
/// generation holds one.
struct LoadedConfiguration: Sendable {
    var configuration: Configuration
    var table: RouteTable
    var tls: TLSContexts
    var contracts: RouteContracts
    var stages: StageTables
    var eventSchemas: EventSchemas
    /// Nil = there is none.
    var checkout: Checkout?
    /// In the order of the configuration.
    var bridges: [BridgeOptions]
    /// What deserves a look but hinders nothing.
    var warnings: [Diagnostic]

    /// What the core's own checkout is made of.
    struct Checkout: Sendable {
        var settings: CheckoutSettings
        var sagas: SagaDefinitions
        var tokens: CardTokens
    }

    /// Read when no file is named.
    static let defaultPath = "config/nexus.yaml"

    /// Every problem at once, sorted by file and place; warnings among them.
    struct Invalid: Error { var diagnostics: [Diagnostic] }

    /// Reads the configuration at `path` and the route files it names.
    ///
    /// - Parameters:
    ///   - breaking: what it is to break what was published; nil = nobody asks.
    ///   - path: nil = the default file; when that is missing, the built-in defaults.
    ///   - vault: the ticket keys of the running gateway, if there is one.
    ///   - vocabulary: the commands and queries of the event core, in the order of their numbers.
    static func load(_ path: String?, vault: TicketVault = TicketVault(), breaking: Diagnostic.Severity?, _ vocabulary: Vocabulary = .core)
        -> Result<LoadedConfiguration, Invalid>
    {
        let diagnostics = Diagnostics()
        var configuration = Configuration()
        if path != nil || access(defaultPath, F_OK) == 0 {
            // Without a readable file every name in the routes would look unknown; say the one thing.
            guard let document = Document.read(path: path ?? defaultPath, diagnostics) else {
                return .failure(Invalid(diagnostics: diagnostics.sorted))
            }
            configuration = Configuration.read(document, diagnostics)
        }
        let schema = RouteContracts.load(configuration, diagnostics)
        var vocabulary = vocabulary
        vocabulary.methods = schema.map(Vocabulary.methods(of:)) ?? [:]
        let table = RouteCompiler.compile(configuration, vocabulary: vocabulary, diagnostics)
        let tls = TLSContexts.load(configuration, vault: vault, diagnostics)
        let bodySchemas = table.map { BodySchemas(configuration, $0, diagnostics) }
        let contracts: RouteContracts? =
            if let table, let bodySchemas { RouteContracts(table, schema, bodySchemas, diagnostics) } else { nil }
        if let breaking, let contracts { PublishedContracts.compare(configuration, contracts, breaking, diagnostics) }
        let stages = table.map { StageTables(configuration, $0, schema, diagnostics) }
        let checkout = Checkout.load(configuration, diagnostics)
        let bridges = BridgeOptions.load(configuration, diagnostics)
        if let flag = configuration.checkout?.cartFlag, let known = table?.flags.map(\.name), !known.contains(flag.name) {
            diagnostics.error(
                at: flag.position, "unknown flag '\(flag.name)': neither the flag file nor a route has it" + Spelling.hint(flag.name, among: known))
        }
        let takesCommands = table?.routes.contains { $0.targets.contains(where: \.isCommand) } ?? false
        let eventSchemas = EventSchemas.load(
            configuration, takesCommands: takesCommands || configuration.checkout != nil, diagnostics)
        guard diagnostics.errors == 0, let table, let contracts, let stages else {
            return .failure(Invalid(diagnostics: diagnostics.sorted))
        }
        return .success(
            LoadedConfiguration(
                configuration: configuration, table: table, tls: tls, contracts: contracts, stages: stages,
                eventSchemas: eventSchemas,
                checkout: checkout, bridges: bridges,
                warnings: diagnostics.sorted))
    }
}

extension LoadedConfiguration.Checkout {
    /// Nil when there is none, or after a report.
    static func load(_ configuration: Configuration, _ diagnostics: Diagnostics) -> Self? {
        guard let settings = configuration.checkout else { return nil }
        let files = settings.sagas.flatMap {
            FileFolder.yaml(at: $0, "saga definitions", atMost: SagaDefinitions.most, diagnostics)
        }
        let sagas = SagaDefinitions.read(paths: files, operations: Operations.checkoutNames, diagnostics)
        for name in [settings.saga.rawValue, "cancel-order"] where sagas[name] == nil && diagnostics.errors == 0 {
            diagnostics.error(
                at: SourcePosition(file: settings.sagas.first ?? ""), "no file here defines the saga '\(name)', which the checkout needs")
        }
        let tokens: CardTokens?
        if let file = settings.cardKeyFile {
            tokens = CardTokens(keyFile: file, diagnostics)
        } else {
            tokens = CardTokens()
            if tokens == nil {
                diagnostics.error(at: SourcePosition(file: ""), "the system has no random bytes for the key of card tokens")
            }
        }
        return tokens.map { Self(settings: settings, sagas: sagas, tokens: $0) }
    }
}

extension Vocabulary {
    /// The names routes may target: what the event core answers to, in its own order.
    static let core = Vocabulary(commands: Registry.commands, queries: Registry.queries)
}

extension Vocabulary {
    /// The methods of the contracts, as route files name them.
    static func methods(of schema: ProtoSchema) -> [String: MethodShape] {
        var methods: [String: MethodShape] = [:]
        for method in schema.methods {
            methods[String(method.path.dropFirst())] = MethodShape(
                clientStreams: method.clientStreaming, serverStreams: method.serverStreaming)
        }
        return methods
    }
}

extension TargetDefinition {
    fileprivate var isCommand: Bool {
        switch self {
        case .command, .anyCommand: true
        case .cluster, .query, .operation, .fixed, .topics: false
        }
    }
}

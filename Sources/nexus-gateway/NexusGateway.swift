import ArgumentParser

/// The command line.
@main
struct NexusGateway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nexus-gateway", abstract: "A gateway for many protocols with an event-sourced core.",
        version: "0.1.0",
        subcommands: [
            RunCommand.self, CheckCommand.self, RoutesCommand.self, ContractsCommand.self, OpenAPICommand.self, ExplainCommand.self,
            UpstreamsCommand.self, SagaCommand.self, DLQCommand.self, MQTTCommand.self, FlagsCommand.self, TokenCommand.self, RevokeCommand.self,
            RevocationsCommand.self, JWSCommand.self,
        ],
        defaultSubcommand: RunCommand.self)
}

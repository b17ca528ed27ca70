import ArgumentParser

/// The command line.
@main
struct NexusGateway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nexus-gateway", abstract: "A gateway for many protocols with an event-sourced core.",
        subcommands: [CheckCommand.self, RoutesCommand.self, ExplainCommand.self])
}

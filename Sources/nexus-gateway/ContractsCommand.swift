import ArgumentParser
import Contracts
import Gateway

/// `nexus-gateway contracts`: what the gateway knows of messages.
struct ContractsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contracts", abstract: "List the services and methods of the contracts.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        guard let schema = try options.load().contracts.schema else {
            print("no contracts: the configuration names no descriptors")
            return
        }
        for service in schema.services {
            print("\(service.name)  (\(schema.files[service.file].name))")
            for method in service.methods.map({ schema.methods[$0] }) {
                let input = (method.clientStreaming ? "stream " : "") + schema.name(ofMessage: method.input)
                let output = (method.serverStreaming ? "stream " : "") + schema.name(ofMessage: method.output)
                print("    \(method.name)  \(input) → \(output)")
            }
        }
    }
}

import ArgumentParser
import Routes

/// `nexus-gateway routes`: the compiled table, readable.
struct RoutesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "routes", abstract: "Print the routing table.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        print(try options.load().table.render(), terminator: "")
    }
}

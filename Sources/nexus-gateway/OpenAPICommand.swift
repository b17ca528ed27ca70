import ArgumentParser
import Gateway
import Glibc
import OpenAPI

/// `nexus-gateway openapi`: the public HTTP surface, for people, their tools, and `contracts.published`.
struct OpenAPICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "openapi", abstract: "Print what the routes take and answer, in the words of OpenAPI 3.1.")

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "Write it to this file, whole or not at all, instead of printing it.")
    var output: String?

    func run() throws {
        let text = try options.load().contracts.api.text + Array("\n".utf8)
        guard let output else { return try write(text, to: STDOUT_FILENO) }
        let fresh = "\(output).\(getpid()).new"
        let file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw ValidationError("'\(fresh)' cannot be written: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        do {
            try write(text, to: file)
            guard fsync(file) == 0, rename(fresh, output) == 0 else {
                throw ValidationError("'\(output)' cannot be written: \(String(cString: strerror(errno)))")
            }
        } catch {
            unlink(fresh)
            throw error
        }
    }

    private func write(_ text: [UInt8], to file: Int32) throws {
        var left = text[...]
        while !left.isEmpty {
            let n = left.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { throw ValidationError("it cannot be written: \(String(cString: strerror(errno)))") }
            left = left.dropFirst(n)
        }
    }
}

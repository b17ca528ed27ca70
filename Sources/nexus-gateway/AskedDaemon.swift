import ArgumentParser
import Contracts
import Exchanges
import Reactor
import Settings

/// The running daemon, as commands ask it through its admin listener.
struct AskedDaemon: ParsableArguments {
    @Flag(help: "The daemon's answer as it is.")
    var json = false

    @Option(help: "Where the daemon's admin listener is, when not as configured: ip:port or unix:/path.")
    var admin: String?

    @OptionGroup var options: ConfigurationOptions

    /// The body of an answer of 2xx; anything else ends the command, with the daemon's own words.
    func ask(_ verb: Verb, _ path: String, body: [UInt8] = []) throws -> [UInt8] {
        try ask(verb, path, body: body, of: client())
    }

    /// Whom to ask, for who asks more than once: the configuration is read to know where.
    func client() throws -> AdminClient { AdminClient(address: try address()) }

    func ask(_ verb: Verb, _ path: String, body: [UInt8] = [], of client: AdminClient) throws -> [UInt8] {
        let answer: (status: UInt16, body: [UInt8])
        do {
            answer = try client.ask(verb, path, body: body)
        } catch {
            throw ValidationError("\(error)")
        }
        guard (200...299).contains(answer.status) else {
            var words = "the daemon on \(client.address) answers \(answer.status)"
            let text = answer.body
            let problem = try? JSONValue(text.span)
            if case .string(let text)? = problem?["message"] ?? problem?["detail"] { words += ": \(text)" }
            throw ValidationError(words)
        }
        return answer.body
    }

    /// Prints an answer: as it is, or as `text` shows it.
    func print(_ body: [UInt8], _ text: (JSONValue) -> String) throws {
        if json {
            Swift.print(String(decoding: body, as: UTF8.self))
            return
        }
        guard let report = try? JSONValue(body.span, limits: JSONLimits(bytes: 64 << 20)) else {
            throw ValidationError("what answers is no gateway")
        }
        Swift.print(text(report), terminator: "")
    }

    /// For a path's segment, or a query's value.
    func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (byte | 0x20) >= 97 && (byte | 0x20) <= 122 || byte >= 48 && byte <= 57 || "-._~".utf8.contains(byte)
            if isPlain { return String(decoding: [byte], as: UTF8.self) }
            let digits = String(byte, radix: 16, uppercase: true)
            return digits.utf8.count == 1 ? "%0" + digits : "%" + digits
        }.joined()
    }

    private func address() throws -> SocketAddress {
        if let admin {
            guard let address = try? Address(admin), let found = SocketAddress(dialing: address) else {
                throw ValidationError("'\(admin)' is no literal address")
            }
            return found
        }
        guard let listener = try options.load(warns: false).configuration.admin else {
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

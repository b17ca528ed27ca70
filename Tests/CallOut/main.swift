// A gateway in this process, with calls of its own and scripted desks, for tests in other languages:
//   call-out --config nexus.yaml < commands > answers
// Commands and answers are JSON objects, one a line. A command is a call
//   {"id", "cluster", "grpc": path | "http": [verb, path, type], "body": base64, "fields": [[name, value]],
//    "timeout": ms, "cancel": ms until its task is cancelled, "correlation", "traceparent"}
// or {"do": "drain" | "stop" | "reload"}. An answer is
//   {"id", "took": ms, "status", "message", "body"} or {"id", "took", "failed": code, "detail", "run": bool}.
// It says on standard error where it listens, as the daemon does, and ends with its workers.
import Contracts
import EventCore
import Exchanges
import Foundation
import Gateway
import Reactor
import Routes
import Settings
import Stores
import TLS
import Telemetry

struct Files {
    var configuration: Configuration
    var table: RouteTable
    var tls: TLSContexts
    var contracts: RouteContracts
    var stages: StageTables

    init?(_ path: String, _ vault: TicketVault) {
        let diagnostics = Diagnostics()
        guard let document = Document.read(path: path, diagnostics) else { return nil }
        configuration = Configuration.read(document, diagnostics)
        let schema = RouteContracts.load(configuration, diagnostics)
        var vocabulary = Vocabulary(commands: Registry.commands, queries: Registry.queries)
        for method in schema?.methods ?? [] {
            vocabulary.methods[String(method.path.dropFirst())] = MethodShape(
                clientStreams: method.clientStreaming, serverStreams: method.serverStreaming)
        }
        guard let table = RouteCompiler.compile(configuration, vocabulary: vocabulary, diagnostics) else {
            say("\(diagnostics.sorted)")
            return nil
        }
        self.table = table
        tls = TLSContexts.load(configuration, vault: vault, diagnostics)
        contracts = RouteContracts(table, schema, BodySchemas(configuration, table, diagnostics), diagnostics)
        stages = StageTables(configuration, table, schema, diagnostics)
        guard diagnostics.errors == 0 else {
            say("\(diagnostics.sorted)")
            return nil
        }
    }
}

func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

let answers = FileHandle.standardOutput

func write(_ id: Int, _ answer: OutboundAnswer, took: Duration) {
    var members: [String: Any] = ["id": id, "took": Int(took / .milliseconds(1))]
    switch answer {
    case .answered(let status, let message, let body):
        members["status"] = Int(status)
        members["message"] = message
        members["body"] = Data(body).base64EncodedString()
    case .failed(let outcome, let mayHaveRun):
        members["failed"] = "\(outcome.code.name)"
        members["detail"] = "\(outcome.detail)"
        members["run"] = mayHaveRun
    }
    // One write a line: several tasks answer at the same time.
    guard let line = try? JSONSerialization.data(withJSONObject: members) else { return }
    answers.write(line + Data("\n".utf8))
}

func call(_ given: [String: Any]) -> OutboundCall? {
    guard let cluster = given["cluster"] as? String else { return nil }
    let form: OutboundCall.Form
    if let path = given["grpc"] as? String {
        form = .grpc(path: path)
    } else if let words = given["http"] as? [String], words.count == 3 {
        form = .http(verb: words[0], path: words[1], contentType: words[2])
    } else {
        return nil
    }
    let body = (given["body"] as? String).flatMap { Data(base64Encoded: $0) } ?? Data()
    var call = OutboundCall(
        cluster: cluster, form: form, body: [UInt8](body), timeoutMS: UInt32(given["timeout"] as? Int ?? 5000))
    call.fields = (given["fields"] as? [[String]] ?? []).map { ($0[0], $0[1]) }
    call.correlationId = given["correlation"] as? String
    call.traceparent = given["traceparent"] as? String
    return call
}

let hasDesks = CommandLine.arguments.last != "--without-desks"
guard CommandLine.arguments.count == (hasDesks ? 3 : 4), CommandLine.arguments[1] == "--config" else {
    say("usage: call-out --config FILE [--without-desks]")
    exit(2)
}
let path = CommandLine.arguments[2]
let vault = TicketVault()
guard let files = Files(path, vault) else { exit(78) }
signal(SIGPIPE, SIG_IGN)
let meters = Meters(parseErrors: Gateway.parseErrorReasons)
let accessLog = try files.configuration.accessLog.map { try LogWriter(path: $0.path) }
let store = try SQLiteEventStore(path: files.configuration.store.path)
let gateway = try Gateway(
    configuration: files.configuration, table: files.table, tls: files.tls, contracts: files.contracts,
    stages: files.stages, meters: meters, log: Log(service: "call-out"), accessLog: accessLog,
    startCore: { deliver in try EventLog(store: store, deliver: deliver) },
    openDesks: { _, _, deliver, _ in
        hasDesks ? Desks(checkout: ScriptedCheckout(deliver: deliver), admin: EchoingDesk()) : Desks()
    })
for (name, address) in gateway.listening { say("listening \(name) \(address)") }
say("ready")

Thread.detachNewThread {
    while let line = readLine() {
        guard let given = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { break }
        switch given["do"] as? String {
        case "drain": gateway.drain()
        case "stop": gateway.stop()
        case "reload":
            guard let files = Files(path, vault) else { break }
            gateway.adopt(files.configuration, files.table, files.tls, files.contracts, files.stages)
            say("reloaded")
        default:
            guard let call = call(given), let id = given["id"] as? Int else { break }
            let cancel = given["cancel"] as? Int
            let task = Task {
                let clock = ContinuousClock()
                let began = clock.now
                let answer = await gateway.outbound.call(call)
                write(id, answer, took: clock.now - began)
            }
            guard let cancel else { continue }
            Task {
                try? await Task.sleep(for: .milliseconds(cancel))
                task.cancel()
            }
        }
    }
    gateway.stop()
}
gateway.wait()
// Answers that are on their way.
Thread.sleep(forTimeInterval: 0.2)
store.close()

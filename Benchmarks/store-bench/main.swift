import EventCore
import Glibc

/// `store-bench [DIRECTORY]`: figures of the disk, the store and the log; the files it makes in
/// DIRECTORY (default `.build/store-bench`) are removed again.
///
/// `store-bench loads PATH`: only how long aggregates take to come into memory.
///
/// `store-bench mixed PATH`: only how long commands take while one in twenty needs a cart that is not in memory.
///
/// `store-bench log PATH`: only the log, without schemas and with them.
///
/// `store-bench keys PATH`: only the log, in turn without idempotency keys and with one a command.
///
/// `store-bench marks PATH`: the same with the marks that messages of MQTT clients leave, QoS 1 and 2.
///
/// `store-bench cost PATH`: only the CPU time of a command without keys, with them, and with marks; `store-bench cost PATH N ROUNDS`:
/// the n-th of these four alone, in so many rounds of 500 commands, for a profiler that counts instructions.
///
/// `store-bench append PATH`: appends through the log until killed, printing what was acknowledged; the
/// crash tests kill it. `store-bench checkpoint PATH`: the same for what consumers remember.
///
/// `store-bench deliver PATH`: the same with messages of devices. `store-bench sessions PATH`: the same for MQTT sessions.
///
/// `store-bench bus [DIRECTORY]`: only how events come to consumers.
let arguments = CommandLine.arguments
if arguments.count == 3 && arguments[1] == "append" {
    try appendUntilKilled(path: arguments[2])
} else if arguments.count == 3 && arguments[1] == "loads" {
    try measureLoads(path: arguments[2])
} else if arguments.count == 3 && arguments[1] == "checkpoint" {
    try checkpointUntilKilled(path: arguments[2])
} else if arguments.count >= 2 && arguments[1] == "bus" {
    try await measureBus(directory: arguments.count == 3 ? arguments[2] : ".build/store-bench")
} else if arguments.count == 3 && arguments[1] == "mixed" {
    try measureMixed(path: arguments[2])
} else if arguments.count == 3 && arguments[1] == "log" {
    for schemas in [EventSchemas(), try eventSchemas(in: "contracts/events")] {
        show("schemas: \(schemas.count)")
        for clients in [64, 1024, 8192] { try measureLog(path: arguments[2], clients: clients, seconds: 3, schemas) }
    }
} else if arguments.count == 3 && arguments[1] == "keys" {
    let schemas = try eventSchemas(in: "contracts/events")
    for _ in 0..<5 {
        for repeats in [Repeats.nothing, .keys] { try measureLog(path: arguments[2], clients: 1024, seconds: 3, schemas, repeats: repeats) }
    }
} else if arguments.count == 3 && arguments[1] == "marks" {
    let schemas = try eventSchemas(in: "contracts/events")
    for _ in 0..<3 {
        for repeats in [Repeats.nothing, .qos1, .qos2] {
            try measureLog(path: arguments[2], clients: 1024, seconds: 3, schemas, repeats: repeats)
        }
    }
} else if arguments.count == 3 && arguments[1] == "cost" {
    try measureCost(path: arguments[2])
} else if arguments.count == 5, arguments[1] == "cost", let n = Int(arguments[3]), Repeats.allCases.indices.contains(n - 1),
    let rounds = Int(arguments[4]), rounds > 0
{
    try measureCost(path: arguments[2], [Repeats.allCases[n - 1]], rounds: rounds)
} else if arguments.count == 3 && arguments[1] == "deliver" {
    try deliverUntilKilled(path: arguments[2])
} else if arguments.count == 3 && arguments[1] == "sessions" {
    try commitSessionsUntilKilled(path: arguments[2])
} else if arguments.count <= 2 {
    try measure(directory: arguments.count == 2 ? arguments[1] : ".build/store-bench")
} else {
    print("usage: store-bench [DIRECTORY] | store-bench loads|mixed|log|keys|marks|cost|append|checkpoint|deliver|sessions PATH | store-bench bus [DIRECTORY]")
    exit(64)
}

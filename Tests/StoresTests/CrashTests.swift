import EventCore
import Glibc
import Stores
import Testing

/// `store-bench MODE PATH`: `append` appends through the log and prints the id of each event it was told is
/// durable, `checkpoint` commits what consumers remember and prints each position.
final class KilledProgram {
    private var pid: pid_t = 0
    private var output: Int32 = -1

    init(_ mode: String, path: String) throws {
        // Built beside the program that runs the tests.
        let own = try #require(realpath("/proc/self/exe", nil))
        defer { free(own) }
        let program = "/" + String(cString: own).split(separator: "/").dropLast().joined(separator: "/") + "/store-bench"
        try #require(access(program, X_OK) == 0, "\(program) is not built")

        var pipes: [Int32] = [0, 0]
        try #require(pipe(&pipes) == 0)
        output = pipes[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
        posix_spawn_file_actions_addclose(&actions, pipes[0])
        posix_spawn_file_actions_addclose(&actions, pipes[1])
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(mode), strdup(path), nil]
        let result = posix_spawn(&pid, program, &actions, nil, &arguments, environ)
        for argument in arguments { free(argument) }
        posix_spawn_file_actions_destroy(&actions)
        close(pipes[1])
        try #require(result == 0)
    }

    /// Reads until `after` milliseconds from the first acknowledgement have passed, kills the process,
    /// and reads what it had still written.
    func kill(after: Int) -> [String] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var deadline: ContinuousClock.Instant?
        var killed = false
        while true {
            var poll = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let ready = Glibc.poll(&poll, 1, 1)
            if ready > 0 {
                let n = read(output, &chunk, chunk.count)
                if n <= 0 { break }
                bytes += chunk[0..<n]
                if deadline == nil { deadline = .now + .milliseconds(after) }
            }
            if !killed, let deadline, .now >= deadline {
                Glibc.kill(pid, SIGKILL)
                killed = true
            }
        }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        close(output)
        // A line that the kill cut off is not an acknowledgement.
        return bytes.prefix((bytes.lastIndex(of: 10) ?? -1) + 1).split(separator: 10)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

extension Int {
    /// Milliseconds until a kill: at first few, so that many kills hit the beginning; a machine that gets nowhere in them gets
    /// more from round to round.
    static func random(upTo most: Int, in round: Int) -> Int { random(in: 0...most * (1 + round / 20)) }
}

@Suite(.timeLimit(.minutes(10))) struct CrashTests {
    @Test func killedAtAnyMomentItKeepsWhatItAcknowledged() async throws {
        let shop = try Workshop()
        var head: UInt64 = 0
        var acknowledged = 0
        var fromSnapshots: UInt64 = 0
        var stored = Set<String>()
        var versions: [AggregateKey: UInt64] = [:]
        var carts: [AggregateKey: Cart] = [:]
        for round in 0..<300 where round < 20 || acknowledged <= 500 || fromSnapshots == 0 {
            let lines = try KilledProgram("append", path: shop.path).kill(after: .random(upTo: 120, in: round))
            acknowledged += lines.count
            let store = try shop.open()
            var more = true
            while more {
                let events = try store.read(after: head, limit: 5000)
                more = !events.isEmpty
                for event in events {
                    #expect(event.position == head + 1)
                    #expect(event.version == versions[event.aggregate, default: 0] + 1)
                    #expect(stored.insert("\(event.event.id)").inserted)
                    carts[event.aggregate, default: Cart()].apply(
                        try #require(CartEvent(event.event)), at: event.event.timestamp)
                    head = event.position
                    versions[event.aggregate] = event.version
                }
            }
            let missing = lines.filter { !stored.contains($0) }
            #expect(missing.isEmpty, "\(missing.count) acknowledged events are gone")
            #expect(try store.head() == head)
            // What snapshots there are, however they were cut off, lead to the same carts.
            let snapshots = try shop.openSnapshots()
            let log = try EventLog(store: store, snapshots: snapshots) { _, _ in }
            for (key, cart) in carts {
                guard case .cart(let loaded) = try await log.state(of: AggregateName(kind: .cart, id: key.id)) else { continue }
                #expect(loaded == cart)
            }
            log.close()
            fromSnapshots += log.meters.read().loadsFromSnapshot
            #expect(log.meters.read().snapshotsUnreadable == 0)
            snapshots.close()
            store.close()
        }
        #expect(acknowledged > 500)
        #expect(fromSnapshots > 0)
        #expect(Set(carts.values.flatMap(\.items).map { $0.quantity > 0 }) == [true])
    }
}

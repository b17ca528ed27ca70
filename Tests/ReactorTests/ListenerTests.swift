import Exchanges
import Glibc
import Testing

@testable import Reactor
import Threads

@Suite struct ListenerTests {
    private let loopback = SocketAddress.v4(0x7f00_0001, port: 0)

    private func path(_ name: String) -> String { "/tmp/nexus-test-\(getpid())-\(name).sock" }

    /// Accepts on a loop until `count` came or two seconds are over.
    private func accept(_ count: Int, on socket: ListeningSocket, _ between: () throws -> Void) throws -> [SocketAddress] {
        let loop = try EventLoop()
        var peers: [SocketAddress] = []
        let acceptor = try Acceptor(
            socket, on: loop,
            accepted: { descriptor, peer in
                peers.append(peer)
                close(descriptor)
            }, exhausted: { Issue.record("\($0)") })
        loop.turn(maxWaitMS: 0)
        try between()
        let end = loop.nowMS + 2000
        while peers.count < count && loop.nowMS < end { loop.turn(maxWaitMS: 50) }
        acceptor.stop()
        return peers
    }

    @Test(arguments: [SocketAddress.v4(0x7f00_0001, port: 0), .v6(high: 0, low: 1, port: 0)])
    func acceptsAndNamesThePeer(_ address: SocketAddress) throws {
        let socket = try ListeningSocket(address, backlog: 16, shared: false)
        #expect(socket.address.port != 0 && socket.address.host == address.host)
        var clients: [Int32] = []
        defer { for client in clients { close(client) } }
        let peers = try accept(3, on: socket) {
            for _ in 0..<3 {
                let client = try Dial.start(socket.address).get()
                clients.append(client)
                #expect(wait(client, for: POLLOUT) && Dial.outcome(client) == 0)
            }
        }
        #expect(peers.count == 3)
        #expect(peers.allSatisfy { $0.host == address.host && $0.port != 0 })
    }

    /// More than one burst: the edge does not come again, and still everybody is let in.
    @Test func aStormIsTakenInWhole() throws {
        let socket = try ListeningSocket(loopback, backlog: 512, shared: false)
        var clients: [Int32] = []
        defer { for client in clients { close(client) } }
        for _ in 0..<200 { clients.append(try Dial.start(socket.address).get()) }
        let peers = try accept(200, on: socket) {}
        #expect(peers.count == 200)
    }

    @Test func aPortInUseIsAnErrorThatNamesIt() throws {
        let socket = try ListeningSocket(loopback, backlog: 1, shared: false)
        defer { socket.close() }
        do {
            try ListeningSocket(socket.address, backlog: 1, shared: false).close()
            Issue.record("bound twice")
        } catch {
            #expect(error.code == EADDRINUSE && error.description.contains(socket.address.description))
        }
    }

    @Test func sharedSocketsShareThePort() throws {
        let first = try ListeningSocket(loopback, backlog: 64, shared: true)
        let second = try ListeningSocket(first.address, backlog: 64, shared: true)
        defer {
            first.close()
            second.close()
        }
        #expect(first.address == second.address && first.descriptor != second.descriptor)
        var clients: [Int32] = []
        defer { for client in clients { close(client) } }
        for _ in 0..<64 {
            let client = try Dial.start(first.address).get()
            #expect(wait(client, for: POLLOUT))
            clients.append(client)
        }
        // The kernel spreads by a hash of the addresses: 64 on one side has a chance of 2 to the -63.
        var taken = [0, 0]
        for (i, socket) in [first, second].enumerated() {
            while case let fd = Glibc.accept(socket.descriptor, nil, nil), fd >= 0 {
                taken[i] += 1
                close(fd)
            }
        }
        #expect(taken[0] + taken[1] == 64 && taken[0] > 0 && taken[1] > 0)
    }

    @Test func unixSocketsConnect() throws {
        let address = SocketAddress.unix(path("plain"))
        let socket = try ListeningSocket(address, backlog: 4, shared: false)
        defer { unlink(path("plain")) }
        #expect(socket.address == address)
        var client: Int32 = -1
        defer { close(client) }
        let peers = try accept(1, on: socket) { client = try Dial.start(address).get() }
        #expect(peers == [.unix("")])
    }

    @Test func aStaleSocketFileIsRemovedAndALiveOneRefused() throws {
        let name = path("stale")
        defer { unlink(name) }
        let address = SocketAddress.unix(name)
        try ListeningSocket(address, backlog: 4, shared: false).close()  // the file stays behind
        #expect(access(name, F_OK) == 0)
        let live = try ListeningSocket(address, backlog: 4, shared: false)
        defer { live.close() }
        do {
            try ListeningSocket(address, backlog: 4, shared: false).close()
            Issue.record("took a live socket away")
        } catch { #expect(error.code == EADDRINUSE) }
        // Refused, and not damaged: it still answers.
        let client = try Dial.start(address).get()
        close(client)
    }

    @Test func anOrdinaryFileIsNotRemoved() {
        let name = path("file")
        let file = open(name, O_CREAT | O_WRONLY, 0o600)
        defer { unlink(name) }
        close(file)
        #expect(throws: SystemError.self) { try ListeningSocket(.unix(name), backlog: 1, shared: false) }
        #expect(access(name, F_OK) == 0)
    }

    @Test func duplicatesAndInheritedSocketsWork() throws {
        let socket = try ListeningSocket(loopback, backlog: 4, shared: false)
        let copy = try socket.duplicate()
        #expect(copy.address == socket.address && copy.descriptor != socket.descriptor)
        socket.close()
        let inherited = try #require(ListeningSocket(inherited: copy.descriptor))
        #expect(inherited.address == copy.address)
        #expect(fcntl(inherited.descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(inherited.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        let client = try Dial.start(inherited.address).get()
        #expect(wait(client, for: POLLOUT) && Dial.outcome(client) == 0)
        close(client)
        inherited.close()
        #expect(ListeningSocket(inherited: -1) == nil)
    }

    @Test func aRefusedConnectSaysSo() throws {
        let socket = try ListeningSocket(loopback, backlog: 1, shared: false)
        socket.close()
        switch Dial.start(socket.address) {
        case .failure(let error): #expect(error.code == ECONNREFUSED)
        case .success(let client):
            #expect(wait(client, for: POLLOUT) && Dial.outcome(client) == ECONNREFUSED)
            close(client)
        }
        guard case .failure(let error) = Dial.start(.unix(path("nobody"))) else {
            Issue.record("connected to nobody")
            return
        }
        #expect(error.code == ENOENT)
    }

    /// Out of descriptors: told once per attempt, a pause instead of a spin, and on again afterwards.
    /// In a process of its own, because the limit is the process's.
    @Test func runningOutOfDescriptorsPauses() async {
        await #expect(processExitsWith: .success) {
            let socket = try ListeningSocket(.v4(0x7f00_0001, port: 0), backlog: 16, shared: false)
            let loop = try EventLoop()
            var accepted = 0
            var exhausted = 0
            let acceptor = try Acceptor(
                socket, on: loop,
                accepted: { descriptor, _ in
                    accepted += 1
                    close(descriptor)
                }, exhausted: { _ in exhausted += 1 })
            let clients = try (0..<3).map { _ in try Dial.start(socket.address).get() }
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let usual = limit.rlim_cur
            // Nothing above the highest descriptor in use can be opened, and no gap is left below it.
            limit.rlim_cur = 64
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var fillers: [Int32] = []
            while case let fd = dup(0), fd >= 0 { fillers.append(fd) }
            var turns = 0
            let end = loop.nowMS + 180
            while loop.nowMS < end {
                loop.turn(maxWaitMS: 1000)
                turns += 1
            }
            guard accepted == 0, exhausted >= 2, exhausted <= 6, turns < 30 else { exit(2) }
            for fd in fillers { close(fd) }
            limit.rlim_cur = usual
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let patience = loop.nowMS + 2000
            while accepted < 3 && loop.nowMS < patience { loop.turn(maxWaitMS: 100) }
            acceptor.stop()
            for client in clients { close(client) }
            exit(accepted == 3 ? 0 : 3)
        }
    }
}

import Exchanges
import Pipeline
import Reactor
import Settings
import Synchronization
import TLS
import Telemetry

/// One address of a cluster and this worker's connections to it. Idle connections are reused last
/// in, first out, so that the surplus ages and closes.
final class Endpoint {
    let address: SocketAddress
    /// What `host: upstream` sends.
    let authority: [UInt8]
    /// As logs show it.
    let label: [UInt8]
    let cluster: Cluster
    /// Whom a TLS handshake is meant for.
    let serverName: TLSServerName
    let worker: Worker
    private let loop: EventLoop
    /// What all workers know of it, and this one's part of its load.
    let state: EndpointState
    private let load = EndpointLoad()
    /// Its place among the cluster's endpoints.
    var number = 0
    private var idle: [UpstreamConnection] = []
    /// Connections made or being made, idle ones included.
    private(set) var open = 0
    /// Connections that exchanges share, while they take new ones (`protocol: http2`).
    var shared: [HTTP2Upstream] = []
    /// Streams at a time on one of them, as it last said.
    var allowedStreams = Int.max
    private(set) var retired = false
    /// Exchanges in progress.
    private(set) var active = 0

    init(_ address: SocketAddress, authority: [UInt8], cluster: Cluster, worker: Worker) {
        self.address = address
        self.authority = authority
        self.cluster = cluster
        serverName = Self.serverName(cluster.specification.tls, authority: authority)
        self.worker = worker
        loop = worker.loop
        label = Array(address.description.utf8)
        state = cluster.state.endpoint(address, nowMS: worker.loop.nowMS)
        state.add(load)
    }

    var hasRoom: Bool {
        isShared ? hasSharedRoom : !idle.isEmpty || open < cluster.specification.pool.connections
    }

    /// Gives the exchange a connection; false = there is none, and none can even be begun.
    func carry(_ exchange: Exchange, session: Session, era: Era, mustBeQuiet: Bool) -> Bool {
        if isShared { return share(exchange, mustBeQuiet: mustBeQuiet) }
        guard let connection = takeIdle(mustBeQuiet: mustBeQuiet) ?? UpstreamConnection(to: self, worker: worker) else {
            return false
        }
        connection.begin(exchange, session: session, era: era)
        return true
    }

    /// An idle connection, or nil. With `mustBeQuiet` it is looked at first: for a request that may
    /// not be sent twice, a connection the peer has just closed is worth a system call to find.
    private func takeIdle(mustBeQuiet: Bool) -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.isReusable(nowMS: worker.loop.nowMS, look: mustBeQuiet) { return connection }
            connection.close()
        }
        return nil
    }

    /// Takes back a connection whose exchange is over and which can carry another.
    func giveBack(_ connection: UpstreamConnection) {
        let pool = cluster.specification.pool
        if retired || worker.isDraining || idle.count >= pool.idle {
            connection.close()
        } else {
            idle.append(connection)
            loop.setDeadline(connection, afterMS: UInt64(pool.idleTimeout))
        }
    }

    /// A connection has become free, or one may be made.
    func serveWaiting() { cluster.serveWaiting() }

    /// An exchange was given to one of this endpoint's connections.
    func attemptBegan() {
        active += 1
        cluster.active += 1
        load.active.store(active, ordering: .relaxed)
    }

    /// It is over, one way or another. Called once for each `attemptBegan`.
    /// - Parameter exchange: what was attempted; a breaker wants to know.
    func attemptEnded(_ result: AttemptResult, of exchange: Exchange? = nil) {
        active -= 1
        load.active.store(active, ordering: .relaxed)
        cluster.attemptEnded(result, of: exchange, at: self)
    }

    func connectionOpened() {
        open += 1
        load.open.store(open, ordering: .relaxed)
        worker.meters.count(.connectionOpened, cluster: cluster.label)
    }

    /// A connection is gone, whatever it was doing.
    func connectionClosed(_ connection: UpstreamConnection) {
        connectionClosed()
        if let i = idle.firstIndex(where: { $0 === connection }) { idle.remove(at: i) }
    }

    func connectionClosed() {
        open -= 1
        load.open.store(open, ordering: .relaxed)
        worker.meters.count(.connectionClosed, cluster: cluster.label)
    }

    /// Closes what is idle; what is busy closes when its exchange ends.
    func retire() {
        retired = true
        for connection in shared { connection.retire() }
        for connection in idle.reversed() { connection.close() }
        idle.removeAll()
    }
}

/// What came of handing an exchange to an endpoint.
enum AttemptResult: Equatable {
    /// An answer came, whatever it said; all of it, or as much as the client wanted.
    case answered(status: UInt16)
    case failed(UpstreamFault)
    /// The client left before the answer, or the gateway ended it: nothing is known of the endpoint.
    case cancelled
}

import Exchanges
import Pipeline
import Reactor
import Settings
import WireHTTP

/// An endpoint's shared connections: an exchange goes to the least busy one with a free stream; another
/// connection is opened only when all streams are taken.
extension Endpoint {
    /// Do exchanges share this endpoint's connections?
    var isShared: Bool { cluster.specification.wireProtocol == .http2 }

    var hasSharedRoom: Bool {
        for i in shared.indices where shared[i].hasRoom { return true }
        return mayOpenShared
    }

    /// Connections that only finish what they carry do not count, up to a multiple: an endpoint that ends
    /// its connections often must not be without one for as long as its longest stream.
    private var mayOpenShared: Bool {
        let most = cluster.specification.pool.connections
        var live = 0
        for i in shared.indices where !shared[i].isTooOld { live += 1 }
        return live < most && open < most * 4
    }

    /// Gives the exchange a stream; false = not even a connection could be begun.
    func share(_ exchange: Exchange, mustBeQuiet: Bool) -> Bool {
        var best = -1
        var load = Int.max
        var doubtful = -1
        var isOld = false
        for i in shared.indices where shared[i].load < load {
            guard shared[i].hasRoom else {
                if shared[i].isTooOld { isOld = true }
                continue
            }
            // A request that may not be sent twice is not given to a connection that may just have ended.
            if mustBeQuiet && !shared[i].isQuiet {
                doubtful = i
                continue
            }
            best = i
            load = shared[i].load
        }
        let connection: HTTP2Upstream
        if best >= 0 {
            connection = shared[best]
        } else if mayOpenShared, let fresh = HTTP2Upstream(to: self, worker: worker) {
            shared.append(fresh)
            connection = fresh
        } else if doubtful >= 0 {
            connection = shared[doubtful]
        } else {
            return false
        }
        connection.begin(exchange)
        if isOld { retireOld() }
        return true
    }

    private func retireOld() {
        for connection in shared where connection.isTooOld { connection.retire() }
    }

    func sharedRetired(_ connection: HTTP2Upstream) {
        if let place = shared.firstIndex(where: { $0 === connection }) { shared.remove(at: place) }
    }

    /// Are there more connections without an exchange than are kept?
    var hasEnoughResting: Bool {
        if retired || worker.isDraining { return true }
        var resting = 0
        for connection in shared where connection.load == 0 { resting += 1 }
        return resting > cluster.specification.pool.idle
    }
}

/// What a worker's HTTP/2 connections to upstreams use one after the other: streams that have ended, and
/// texts that are needed for a moment.
final class HTTP2UpstreamSpares {
    /// Streams kept for the next exchange.
    private static let most = 1024
    private var streams: [HTTP2UpstreamStream] = []

    /// The fields of the request that is being sent.
    let fields = FieldEntries(block: HTTP2FieldBlock())
    /// One text of it.
    let scratch = Buffer(capacity: 1024)
    /// Frames on their way to a socket.
    let outgoing = Buffer(capacity: 96 << 10)

    // Trailers of answers. A wire may keep them until its client takes them, so one is used again only
    // when nobody holds it any more.
    private var trailers: [Buffer] = []
    private var nextTrailers = 0

    func takeStream(_ worker: Worker) -> HTTP2UpstreamStream { streams.popLast() ?? HTTP2UpstreamStream(worker) }

    func give(_ stream: HTTP2UpstreamStream) {
        if streams.count < Self.most { streams.append(stream) } else { stream.discard() }
    }

    /// An empty buffer for an answer's trailers.
    func takeTrailers() -> Buffer {
        if !trailers.isEmpty {
            nextTrailers = (nextTrailers + 1) % trailers.count
            if isKnownUniquelyReferenced(&trailers[nextTrailers]) {
                trailers[nextTrailers].clear()
                return trailers[nextTrailers]
            }
        }
        let fresh = Buffer(capacity: 256)
        if trailers.count < 256 { trailers.append(fresh) }
        return fresh
    }
}

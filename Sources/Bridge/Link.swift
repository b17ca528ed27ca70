import Glibc
import Synchronization

/// A bridge's life on its own thread: it connects, reads what the broker sends, holds back every acknowledgement until what it
/// stands for is settled, publishes what others hand in, and begins again when the connection is lost.
final class Link {
    private let options: BridgeOptions
    private var client: MosquittoClient
    private let shared: LinkState
    private let ingest: any Ingest
    private let note: @Sendable (BridgeNote) -> Void

    private var isConnected = false
    /// Connections in a row that came to nothing.
    private var failures = 0
    private var connectedMS: UInt64 = 0
    private var retrial: Retrial
    private var batch: Batch?
    private var batchEndsMS: UInt64 = 0
    /// Read and not handed over yet.
    private var arrived: [BridgedMessage] = []
    /// By packet identifier: what libmosquitto has, and sends again by itself after a connection was lost.
    private var publishing: [Int32: Outbox.Entry] = [:]
    private var subscribing: [Int32: String] = [:]

    init(
        _ options: BridgeOptions, _ shared: LinkState, ingest: any Ingest, note: @escaping @Sendable (BridgeNote) -> Void
    ) throws(BridgeFault) {
        self.options = options
        self.shared = shared
        self.ingest = ingest
        self.note = note
        retrial = Retrial(most: options.attempts)
        client = try MosquittoClient(options)
    }

    func run() {
        while !shared.isClosing {
            let why = renewed() ?? client.connect() ?? serve()
            leave()
            if shared.isClosing { break }
            failures += 1
            shared.count { $0.losses += 1 }
            note(.lost(why))
            pause(until: nowMS() + Backoff.delay(after: failures, options))
        }
        shared.outbox.close()
        publishNothingMore()
    }

    /// A client that has given up is replaced; what it had to publish is not acknowledged.
    private func renewed() -> String? {
        guard client.isBroken else { return nil }
        do throws(BridgeFault) {
            client = try MosquittoClient(options)
        } catch {
            return error.text
        }
        for entry in publishing.values { end(entry, .unavailable) }
        publishing = [:]
        return nil
    }

    // MARK: - One connection

    /// Until it ends. Returns why.
    private func serve() -> String {
        let connectEndsMS = nowMS() + options.connectMS
        while true {
            if shared.isClosing { return sayGoodbye() }
            if !isConnected && nowMS() >= connectEndsMS {
                client.cut()
                return "no answer to CONNECT"
            }
            if let why = turn() {
                client.cut()
                return why
            }
        }
    }

    /// One look at the socket. Returns why the connection is over; nil = it is not.
    private func turn() -> String? {
        guard let socket = client.socket else { return "the connection is gone" }
        settleOverdue()
        if let batch {
            if batch.unsettled > 0 {
                if nowMS() >= batchEndsMS { return again(batch, "messages were not settled in time") }
                sleep(nil, untilMS: batchEndsMS)
                return nil
            }
            self.batch = nil
            if batch.mustComeAgain { return again(batch, "messages could not be taken") }
            retrial.passed(batch)
            failures = 0
        }
        if isConnected { publishFresh() } else { refuseFresh() }
        if let why = client.tick() ?? flush() { return why }
        // While it connects, "writable" says nothing more once it has been said.
        let patience: UInt64 = isConnected ? 1000 : 20
        let readable = client.holdsBytes || sleep(socket, untilMS: nowMS() + patience)
        if readable || !isConnected { return readAll(socket) }
        return nil
    }

    private func again(_ batch: Batch, _ why: String) -> String {
        retrial.comesAgain(batch)
        return why
    }

    private func flush() -> String? {
        guard client.wantsWrite else { return nil }
        return client.write()
    }

    /// Reads what is there, up to what may be unsettled, and hands it over.
    private func readAll(_ socket: Int32) -> String? {
        let most = retrial.isCareful ? 1 : options.inFlight
        repeat {
            let why = client.read()
            takeIn(client.takeEvents())
            if let why { return why }
            // To libmosquitto a connection that ends within TLS's handshake is one that has still to begin.
            if !isConnected { return hasEnded(socket) ? "the broker has ended the connection" : nil }
        } while arrived.count < most && (client.holdsBytes || isReadable(socket))
        if !arrived.isEmpty { handOver() }
        return nil
    }

    private func takeIn(_ events: [ClientEvent]) {
        for event in events {
            switch event {
            case .connected(code: 0, let sessionPresent): begin(sessionPresent: sessionPresent)
            case .connected(let code, _): note(.refused(code: code))
            case .published(let packetID, let reason): settle(packetID, reason)
            case .subscribed(let packetID, let granted): answered(packetID, isRefused: granted.contains { $0 >= 0x80 })
            case .message(let message, let isRetained): arrive(message, isRetained: isRetained)
            }
        }
    }

    private func begin(sessionPresent: Bool) {
        isConnected = true
        connectedMS = nowMS()
        subscribing = [:]
        // Also where the session is there: the configuration may have changed.
        for inward in options.inward {
            if let packetID = client.subscribe(inward) { subscribing[packetID] = inward.filter } else { refused(inward.filter) }
        }
        let asked = subscribing.count
        shared.count {
            $0.isConnected = true
            $0.connects += 1
            $0.subscribing = asked
        }
        note(.connected(sessionPresent: sessionPresent))
    }

    private func answered(_ packetID: Int32, isRefused: Bool) {
        if let filter = subscribing.removeValue(forKey: packetID), isRefused { refused(filter) }
        let asked = subscribing.count
        shared.count { $0.subscribing = asked }
    }

    private func refused(_ filter: String) {
        shared.count { $0.refusedFilters += 1 }
        note(.filterRefused(filter))
    }

    private func leave() {
        // To be let in is not enough: what follows may fail each time.
        if isConnected && nowMS() - connectedMS >= options.backoffMostMS { failures = 0 }
        isConnected = false
        batch?.abandon()
        // Nobody has begun with these: the broker sends them again.
        let (again, gone) = (arrived.count { $0.qos > 0 }, arrived.count { $0.qos == 0 })
        arrived = []
        batch = nil
        shared.count {
            $0.isConnected = false
            $0.subscribing = 0
            $0.postponed += UInt64(again)
            $0.lost += UInt64(gone)
        }
    }

    /// DISCONNECT, where nothing is held back that it would carry along.
    private func sayGoodbye() -> String {
        if isConnected && (batch?.unsettled ?? 0) == 0 && batch?.mustComeAgain != true {
            client.disconnect()
            _ = flush()
        } else {
            client.cut()
        }
        return "closed"
    }

    // MARK: - Inwards

    private func arrive(_ message: BridgedMessage, isRetained: Bool) {
        shared.count { $0.received += 1 }
        if isRetained {
            shared.count { $0.stale += 1 }
        } else if message.payload.count > options.largestPayload {
            shared.count { $0.refused += 1 }
        } else {
            arrived.append(message)
        }
    }

    private func handOver() {
        let comesAgain = !options.isClean
        let (inOrder, last) = (retrial.isCareful, retrial.last)
        let batch = Batch(arrived, inOrder: inOrder, last: last, to: ingest, wakeup: shared.wakeup) { [shared] qos, outcome in
            shared.count {
                switch outcome {
                case .taken: $0.taken += 1
                case .refused: $0.refused += 1
                case .later, .failed:
                    if qos > 0 && comesAgain { $0.postponed += 1 } else { $0.lost += 1 }
                }
            }
        }
        arrived = []
        batchEndsMS = nowMS() + options.patienceMS
        self.batch = batch
        shared.hold(batch)
    }

    // MARK: - Outwards

    private func publishFresh() {
        for entry in shared.outbox.take() {
            if let packetID = client.publish(entry.message) {
                publishing[packetID] = entry
            } else {
                end(entry, .refused(reason: 0))
            }
        }
    }

    private func refuseFresh() {
        for entry in shared.outbox.take() { end(entry, .unavailable) }
    }

    private func settle(_ packetID: Int32, _ reason: Int32) {
        guard let entry = publishing.removeValue(forKey: packetID) else { return }
        end(entry, reason < 0x80 ? .acknowledged : .refused(reason: UInt8(truncatingIfNeeded: reason)))
    }

    private func end(_ entry: Outbox.Entry, _ publication: Publication) {
        shared.outbox.done()
        if publication == .acknowledged {
            shared.count { $0.published += 1 }
        } else if entry.waiter != nil {
            shared.count { $0.unpublished += 1 }
        }
        entry.waiter?.resume(returning: publication)
    }

    /// Whoever has waited long enough is told so; the message keeps its place until the broker has answered.
    private func settleOverdue() {
        let now = nowMS()
        for (packetID, entry) in publishing where entry.endsMS <= now && entry.waiter != nil {
            shared.count { $0.unpublished += 1 }
            publishing[packetID]?.waiter = nil
            entry.waiter?.resume(returning: .unavailable)
        }
    }

    private func publishNothingMore() {
        refuseFresh()
        for entry in publishing.values { end(entry, .unavailable) }
        publishing = [:]
    }

    // MARK: - Sleeping

    private func isReadable(_ socket: Int32) -> Bool {
        var one = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&one, 1, 0) > 0
    }

    /// The other side has ended it, and there is nothing left to be read.
    private func hasEnded(_ socket: Int32) -> Bool {
        var byte: UInt8 = 0
        let count = recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }

    /// Until the socket has something, somebody rings, or then. True = the socket has.
    @discardableResult
    private func sleep(_ socket: Int32?, untilMS: UInt64) -> Bool {
        let now = nowMS()
        let wait = Int32(clamping: min(untilMS > now ? untilMS - now : 0, 1000))
        let writes = isConnected && client.wantsWrite ? Int16(POLLOUT) : 0
        var both = [
            pollfd(fd: shared.wakeup.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket ?? -1, events: Int16(POLLIN) | writes, revents: 0),
        ]
        guard poll(&both, 2, wait) > 0 else { return false }
        if both[0].revents != 0 { shared.wakeup.silence() }
        return both[1].revents & ~Int16(POLLOUT) != 0
    }

    private func pause(until endMS: UInt64) {
        while !shared.isClosing && nowMS() < endMS {
            refuseFresh()
            settleOverdue()
            sleep(nil, untilMS: endMS)
        }
    }
}

/// How long to wait before the next attempt.
enum Backoff {
    /// Twice as long each time, half of it drawn, so that bridges do not come back all at once.
    static func delay(after failures: Int, _ options: BridgeOptions) -> UInt64 {
        let doubled = options.backoffMS.multipliedReportingOverflow(by: 1 << UInt64(min(max(0, failures - 1), 20)))
        let whole = doubled.overflow ? options.backoffMostMS : min(doubled.partialValue, options.backoffMostMS)
        return whole / 2 + UInt64.random(in: 0...max(1, whole / 2))
    }
}

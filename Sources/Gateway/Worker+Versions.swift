import EventCore
import Exchanges
import Pipeline
import Reactor

/// Versions of what queries find (SPEC C-3): not older than the client has seen, and not again what it has.
extension Worker {
    /// The longest wait for a version, in milliseconds.
    private static let longestWait: UInt64 = 1000

    /// Reads `min-version`, the parameter of the query or, where there is none, the field.
    /// - Returns: false = it is no number.
    func takesMinVersion(_ exchange: Exchange) -> Bool {
        guard let text = exchange.text, exchange.wishes.waitsSinceMS == 0 else { return true }
        return text.withReadable { text in
            guard let place = minVersion(exchange, in: text) else { return true }
            guard let version = text.extracting(place).decimal else { return false }
            exchange.wishes.minVersion = UInt64(version)
            return true
        }
    }

    /// Where it stands.
    private func minVersion(_ exchange: Exchange, in text: borrowing Span<UInt8>) -> Range<Int>? {
        let query = exchange.head.query.range
        if let place = QueryText.value(of: "min-version", in: text.extracting(query)) {
            return (query.lowerBound + place.lowerBound)..<(query.lowerBound + place.upperBound)
        }
        return exchange.head.first(named: Self.minVersion, in: text)?.value.range
    }

    private static let minVersion = Array("min-version".utf8)
    private static let ifNoneMatch = Array("if-none-match".utf8)

    /// Is the answer older than the client has asked for? Then it is asked for again a little later, or, when
    /// that has gone on for a second, refused.
    func isTooOld(_ reply: Reply, _ exchange: Exchange) -> Bool {
        guard exchange.wishes.minVersion > 0 else { return false }
        switch reply.outcome {
        case .found(_, let version): if version >= exchange.wishes.minVersion { return false }
        // It may come to be.
        case .refused(let refusal): if refusal.outcome.code != .notFound { return false }
        case .accepted, .acceptedTogether, .state, .answered, .repeated, .notRepeated: return false
        case .reserved, .underWay, .upstream, .upstreamRepeated, .released, .delivered, .releasedDelivery: return false
        }
        if exchange.wishes.waitsSinceMS == 0 { exchange.wishes.waitsSinceMS = max(1, loop.nowMS) }
        let waited = loop.nowMS - min(loop.nowMS, exchange.wishes.waitsSinceMS)
        guard waited < Self.longestWait else {
            refuse(exchange, Refusal(.upstreamUnavailable, "the version asked for is not here yet", retryAfterMS: 1000))
            return true
        }
        // As long again as it has waited already.
        let wait = idleVersionWaits.popLast() ?? VersionWait(self)
        wait.begin(exchange.ticket, afterMS: min(max(5, waited), Self.longestWait - waited))
        return true
    }

    /// Does `If-None-Match` name this version (RFC 9110 section 13.1.2)?
    func hasAlready(_ version: UInt64, _ exchange: Exchange) -> Bool {
        guard let text = exchange.text, exchange.head.verb == .get || exchange.head.verb == .head else { return false }
        return text.withReadable { text in
            for field in exchange.head.fields where field.name == .other {
                guard text.extracting(field.nameText.range).equalsIgnoringCase(Self.ifNoneMatch) else { continue }
                if EntityTag.isAmong(text.extracting(field.value.range), version) { return true }
            }
            return false
        }
    }
}

/// An exchange whose query is asked again.
final class VersionWait: Source {
    private let worker: Worker
    private var ticket = Ticket(worker: 0, slot: 0, generation: 0)

    init(_ worker: Worker) {
        self.worker = worker
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    /// - Parameter afterMS: at least 1.
    func begin(_ ticket: Ticket, afterMS: UInt64) {
        self.ticket = ticket
        worker.loop.setDeadline(self, afterMS: afterMS)
    }

    override func deadlinePassed() {
        worker.idleVersionWaits.append(self)
        guard let exchange = worker.unanswered(ticket), case .query(let index) = exchange.target else { return }
        worker.query(Int(index), exchange, era: worker.era(of: exchange))
    }
}

/// The entity tag of a version: its number in quotes.
enum EntityTag {
    /// A whole line.
    static func field(_ version: UInt64) -> [UInt8] { Array("ETag: \"\(version)\"\r\n".utf8) }

    /// Does a list of tags, or `*`, hold the version's? Compared weakly.
    static func isAmong(_ list: borrowing Span<UInt8>, _ version: UInt64) -> Bool {
        if list.equals("*") { return true }
        var at = 0
        while at < list.count {
            // A tag of another server's may hold commas.
            guard list[at] == 0x22 else {
                at += 1
                continue
            }
            var end = at + 1
            while end < list.count, list[end] != 0x22 { end += 1 }
            guard end < list.count else { return false }
            if let tag = list.extracting((at + 1)..<end).decimal, UInt64(tag) == version { return true }
            at = end + 1
        }
        return false
    }
}

import WireMQTT

/// Whose sessions there are, and what they hold beside their queues: filters and wills. One who makes session after session must
/// crowd out neither the memory nor the sessions of the others.
final class Holders {
    /// Bytes of all filters and wills, about.
    fileprivate(set) var bytes = 0
    private var byOwner: [[UInt8]: Holder] = [:]

    /// Whoever that is, known or new.
    func holder(of owner: [UInt8]) -> Holder {
        if let known = byOwner[owner] { return known }
        let holder = Holder(owner, among: self)
        byOwner[owner] = holder
        return holder
    }

    func sessions(of owner: [UInt8]) -> Int { byOwner[owner]?.sessions ?? 0 }

    /// One more session.
    func enter(_ owner: [UInt8]) -> Holder {
        let holder = holder(of: owner)
        holder.sessions += 1
        return holder
    }

    /// A session has ended, and holds nothing any more.
    func leave(_ holder: Holder) {
        holder.sessions -= 1
        forgetIfGone(holder)
    }

    /// It was asked about, and may have no session.
    func forgetIfGone(_ holder: Holder) {
        if holder.sessions == 0 { byOwner[holder.owner] = nil }
    }
}

/// The owner of sessions.
final class Holder {
    let owner: [UInt8]
    fileprivate(set) var sessions = 0
    /// Of the filters and wills of his sessions.
    private(set) var bytes = 0
    /// His sessions without a connection, by when they end.
    var ends = Deadlines<UInt64>()
    private unowned let all: Holders

    fileprivate init(_ owner: [UInt8], among all: Holders) {
        self.owner = owner
        self.all = all
    }

    func hold(_ more: Int) {
        bytes += more
        all.bytes += more
    }

    /// May he hold so much more? Half of all there is goes to whoever comes; of the rest nobody gets who has a tenth of all.
    func mayHold(_ more: Int, of most: Int) -> Bool {
        let together = all.bytes + more
        return together <= most / 2 || together <= most && bytes + more <= most / 10
    }
}

extension TopicFilter {
    /// Bytes that a subscription to it holds, about.
    var cost: Int { 256 + text.count }
}

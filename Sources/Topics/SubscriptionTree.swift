import WireMQTT

/// Who subscribes with one filter.
struct Subscribers: TopicNodeValue {
    var plain: [Subscriber] = []
    /// Of shared subscriptions, one a name.
    var shares: [ShareGroup] = []

    init() {}
    var isEmpty: Bool { plain.isEmpty && shares.isEmpty }
}

/// A session's subscription as its filter's node has it. It is taken out before the session goes.
struct Subscriber {
    unowned let session: Session
    var options: SubscriptionOptions
    /// 0 = none.
    var identifier: UInt32
}

/// The sessions that share a subscription: each message goes to one of them (section 4.8.2).
final class ShareGroup {
    let name: [UInt8]
    /// `$share/`, the name, and the filter.
    let whole: [UInt8]
    var members: [Subscriber] = []
    /// Whose turn it is.
    var next = 0
    /// Members with a connection.
    var present = 0
    /// Sessions without a connection in whose queues messages of the group may wait, by their numbers.
    var stranded: [UInt64] = []
    /// Some of these are to be handed over.
    var isDue = false
    /// Some of them were not, for want of room.
    var isStarved = false

    init(_ name: [UInt8], whole: [UInt8]) {
        self.name = name
        self.whole = whole
    }

    /// A member that passes, and the same one as long as it does: what one queue holds stays in its order.
    func pickSame(_ passes: (Subscriber) -> Bool) -> Subscriber? {
        for step in 0..<members.count {
            let i = (next + step) % members.count
            if passes(members[i]) {
                next = i
                return members[i]
            }
        }
        return nil
    }

    /// The next member that passes; nil when none does.
    func pick(_ passes: (Subscriber) -> Bool) -> Subscriber? {
        for step in 0..<members.count {
            let i = (next + step) % members.count
            if passes(members[i]) {
                next = (i + 1) % members.count
                return members[i]
            }
        }
        return nil
    }
}

typealias FilterNode = TopicNode<Subscribers>

/// A subscription as its session has it, with its place in the tree.
struct HeldSubscription {
    var subscription: Subscription
    let node: FilterNode
    /// Nil = not shared.
    let group: ShareGroup?
    /// In the node's or the group's list.
    var position: Int32
}

/// All filters, by their levels.
struct SubscriptionTree {
    private let root = FilterNode()
    private(set) var count = 0

    /// Puts it in, or in place of the session's own one with this filter, which it returns.
    mutating func add(_ subscription: Subscription, of session: Session) -> Subscription? {
        let entry = Subscriber(session: session, options: subscription.options, identifier: subscription.identifier)
        if let i = session.held.firstIndex(where: { $0.subscription.filter == subscription.filter }) {
            let held = session.held[i]
            if let group = held.group {
                group.members[Int(held.position)] = entry
            } else {
                held.node.value.plain[Int(held.position)] = entry
            }
            session.held[i].subscription = subscription
            return held.subscription
        }
        let node = root.make(subscription.filter.text)
        var group: ShareGroup?
        let position: Int
        if let name = subscription.filter.share {
            let found = node.value.shares.first { $0.name == name } ?? ShareGroup(name, whole: subscription.filter.whole)
            if found.members.isEmpty { node.value.shares.append(found) }
            if session.isConnected { found.present += 1 }
            position = found.members.count
            found.members.append(entry)
            group = found
        } else {
            position = node.value.plain.count
            node.value.plain.append(entry)
        }
        session.holder.hold(subscription.filter.cost)
        session.held.append(HeldSubscription(subscription: subscription, node: node, group: group, position: Int32(position)))
        count += 1
        return nil
    }

    /// - Returns: what was there.
    mutating func remove(_ filter: TopicFilter, of session: Session) -> HeldSubscription? {
        guard let i = session.held.firstIndex(where: { $0.subscription.filter == filter }) else { return nil }
        let held = session.held.remove(at: i)
        takeOut(held, of: session)
        return held
    }

    /// The session's last step: all of them.
    mutating func removeAll(of session: Session) {
        let all = session.held
        session.held = []
        for held in all { takeOut(held, of: session) }
    }

    private mutating func takeOut(_ held: HeldSubscription, of session: Session) {
        count -= 1
        session.holder.hold(-held.subscription.filter.cost)
        let position = Int(held.position)
        if let group = held.group {
            if session.isConnected { group.present -= 1 }
            SubscriptionTree.removeSwapping(&group.members, position, held.node, group)
            if group.next >= group.members.count { group.next = 0 }
            if group.members.isEmpty { held.node.value.shares.removeAll { $0 === group } }
        } else {
            SubscriptionTree.removeSwapping(&held.node.value.plain, position, held.node, nil)
        }
        held.node.prune()
    }

    /// The last one takes the place of the one that goes, and its session hears where it stands now: no list is searched,
    /// however many subscribe to the same.
    private static func removeSwapping(_ list: inout [Subscriber], _ position: Int, _ node: FilterNode, _ group: ShareGroup?) {
        let last = list.removeLast()
        guard position < list.count else { return }
        list[position] = last
        let held = last.session.held
        if let i = held.firstIndex(where: { $0.node === node && $0.group === group }) {
            last.session.held[i].position = Int32(position)
        }
    }

    /// Appends the nodes of the filters that take this topic (section 4.7).
    func match(_ topic: [UInt8], into found: inout [FilterNode]) {
        let first = Level(of: topic)
        match(root, first, mayBeWild: !first.beginsWithDollar, &found)
    }

    private func match(_ node: FilterNode, _ level: Level, mayBeWild: Bool, _ found: inout [FilterNode]) {
        if mayBeWild, let rest = node.rest { found.append(rest) }
        if let child = node.child(level) { step(to: child, level, &found) }
        if mayBeWild, let plus = node.plus { step(to: plus, level, &found) }
    }

    private func step(to node: FilterNode, _ level: Level, _ found: inout [FilterNode]) {
        if let next = level.next { return match(node, next, mayBeWild: true, &found) }
        if !node.value.isEmpty { found.append(node) }
        if let rest = node.rest { found.append(rest) }  // `a/#` takes `a`
    }
}

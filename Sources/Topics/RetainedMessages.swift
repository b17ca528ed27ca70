/// What a topic retains.
struct RetainedValue: TopicNodeValue {
    var body: MessageBody?
    init() {}
    var isEmpty: Bool { body == nil }
}

/// The message that each topic retains for later subscribers (section 3.3.1.3), by the topics' levels: a filter looks only
/// where it can find something.
struct RetainedMessages {
    private let root = TopicNode<RetainedValue>()
    private(set) var count = 0
    private(set) var bytes = 0
    private var expiring = Deadlines<[UInt8]>()

    subscript(_ topic: [UInt8]) -> MessageBody? { root.find(topic)?.value.body }

    /// Puts it in; the former one is returned.
    mutating func set(_ topic: [UInt8], _ body: MessageBody) -> MessageBody? {
        let node = root.make(topic)
        let former = node.value.body
        node.value.body = body
        bytes += body.message.cost - (former?.message.cost ?? 0)
        if former == nil { count += 1 }
        if body.message.expiresMS != .max {
            expiring.add(topic, at: body.message.expiresMS)
            let root = root
            expiring.prune(live: count) { at, topic in root.find(topic)?.value.body?.message.expiresMS == at }
        }
        return former
    }

    mutating func remove(_ topic: [UInt8]) -> MessageBody? {
        guard let node = root.find(topic), let former = node.value.body else { return nil }
        node.value.body = nil
        node.prune()
        bytes -= former.message.cost
        count -= 1
        return former
    }

    /// The topic of one that is of no use any more; nil when there is none. It is the caller's to remove it.
    mutating func nextExpired(wallMS: UInt64) -> [UInt8]? {
        while let (at, topic) = expiring.first, at <= wallMS {
            expiring.removeFirst()
            if root.find(topic)?.value.body?.message.expiresMS == at { return topic }
        }
        return nil
    }

    /// Finds what the filter takes, as far as the walk may go.
    func match(_ filter: [UInt8], _ walk: inout RetainedWalk) { match(root, Level(of: filter), isFirst: true, &walk) }

    private func match(_ node: TopicNode<RetainedValue>, _ level: Level, isFirst: Bool, _ walk: inout RetainedWalk) {
        if level.isRest {
            if !isFirst { walk.take(node) }
            return takeAll(below: node, isFirst: isFirst, &walk)
        }
        if level.isPlus {
            return node.forEachChild { child in
                guard walk.goesOn() else { return false }
                if !(isFirst && child.beginsWithDollar) { step(to: child, level, &walk) }
                return true
            }
        }
        if let child = node.child(level) { step(to: child, level, &walk) }
    }

    private func step(to node: TopicNode<RetainedValue>, _ level: Level, _ walk: inout RetainedWalk) {
        if let next = level.next { return match(node, next, isFirst: false, &walk) }
        walk.take(node)
    }

    private func takeAll(below node: TopicNode<RetainedValue>, isFirst: Bool, _ walk: inout RetainedWalk) {
        node.forEachChild { child in
            guard walk.goesOn() else { return false }
            if isFirst && child.beginsWithDollar { return true }
            walk.take(child)
            takeAll(below: child, isFirst: false, &walk)
            return true
        }
    }
}

/// How far a SUBSCRIBE may look for retained messages: a filter that takes few of very many topics would keep the broker
/// from everybody else.
struct RetainedWalk {
    /// Messages of one filter.
    let most: Int
    /// Topics and levels of topics that may still be looked at, for all filters together.
    private var steps: Int
    /// Of the present filter: there was more to look at.
    private(set) var isCut = false
    private(set) var found: [MessageBody] = []

    init(most: Int, steps: Int) {
        self.most = most
        self.steps = steps
    }

    /// With another filter.
    mutating func begin() {
        isCut = false
        found.removeAll(keepingCapacity: true)
    }

    fileprivate mutating func goesOn() -> Bool {
        guard found.count < most else { return false }
        guard steps > 0, !isCut else {
            isCut = true
            return false
        }
        steps -= 1
        return true
    }

    fileprivate mutating func take(_ node: TopicNode<RetainedValue>) {
        if found.count < most, let body = node.value.body { found.append(body) }
    }
}

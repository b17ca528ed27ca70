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

    /// Appends what the filter takes, until there are `most`.
    func match(_ filter: [UInt8], most: Int, into found: inout [MessageBody]) {
        match(root, Level(of: filter), isFirst: true, most, &found)
    }

    private func match(
        _ node: TopicNode<RetainedValue>, _ level: Level, isFirst: Bool, _ most: Int, _ found: inout [MessageBody]
    ) {
        if level.isRest {
            if !isFirst, found.count < most, let body = node.value.body { found.append(body) }
            return takeAll(below: node, isFirst: isFirst, most, &found)
        }
        if level.isPlus {
            return node.forEachChild { child in
                if !(isFirst && child.beginsWithDollar) { step(to: child, level, most, &found) }
                return found.count < most
            }
        }
        if let child = node.child(level) { step(to: child, level, most, &found) }
    }

    private func step(to node: TopicNode<RetainedValue>, _ level: Level, _ most: Int, _ found: inout [MessageBody]) {
        if let next = level.next { return match(node, next, isFirst: false, most, &found) }
        if found.count < most, let body = node.value.body { found.append(body) }
    }

    private func takeAll(below node: TopicNode<RetainedValue>, isFirst: Bool, _ most: Int, _ found: inout [MessageBody]) {
        node.forEachChild { child in
            if isFirst && child.beginsWithDollar { return true }
            if found.count < most, let body = child.value.body { found.append(body) }
            takeAll(below: child, isFirst: false, most, &found)
            return found.count < most
        }
    }
}

/// One level of a topic or a filter: the bytes between two slashes, where they stand. Making one allocates nothing.
struct Level: Hashable {
    let text: [UInt8]
    private let start: UInt32
    private let end: UInt32

    /// The first level of a text.
    init(of text: [UInt8]) { self.init(text, from: 0) }

    private init(_ text: [UInt8], from start: Int) {
        self.text = text
        self.start = UInt32(truncatingIfNeeded: start)
        var end = start
        while end < text.count && text[end] != 0x2f { end += 1 }
        self.end = UInt32(truncatingIfNeeded: end)
    }

    var next: Level? { Int(end) == text.count ? nil : Level(text, from: Int(end) + 1) }
    var isPlus: Bool { end == start + 1 && text[Int(start)] == 0x2b }
    var isRest: Bool { end == start + 1 && text[Int(start)] == 0x23 }
    var beginsWithDollar: Bool { end > start && text[Int(start)] == 0x24 }

    static func == (one: Level, other: Level) -> Bool {
        let count = one.end - one.start
        guard count == other.end - other.start else { return false }
        let (a, b) = (one.text.span, other.text.span)
        for i in 0..<Int(count) where a[Int(one.start) + i] != b[Int(other.start) + i] { return false }
        return true
    }

    func hash(into hasher: inout Hasher) {
        text.withUnsafeBytes { hasher.combine(bytes: .init(rebasing: $0[Int(start)..<Int(end)])) }
    }
}

/// What stands at a node of a tree of topics.
protocol TopicNodeValue {
    init()
    var isEmpty: Bool { get }
}

/// A node of a tree whose edges are the levels of topics or filters. The depth is that of the deepest topic or filter, which
/// whoever reads them from the wire bounds.
final class TopicNode<Value: TopicNodeValue> {
    private enum Children {
        case none
        /// Most nodes: no table for one.
        case one(TopicNode)
        case many([Level: TopicNode])
    }

    private let level: Level
    private unowned let parent: TopicNode?
    private var children = Children.none
    /// The children `+` and `#`: looked at for every topic.
    private(set) var plus: TopicNode?
    private(set) var rest: TopicNode?
    var value = Value()

    /// A root.
    init() {
        level = Level(of: [])
        parent = nil
    }

    private init(_ level: Level, below parent: TopicNode) {
        self.level = level
        self.parent = parent
    }

    func child(_ level: Level) -> TopicNode? {
        switch children {
        case .none: nil
        case .one(let node): node.level == level ? node : nil
        case .many(let table): table[level]
        }
    }

    /// All but `+` and `#`; stops when `visit` says false.
    func forEachChild(_ visit: (TopicNode) -> Bool) {
        switch children {
        case .none: break
        case .one(let node): _ = visit(node)
        case .many(let table): for node in table.values where !visit(node) { return }
        }
    }

    /// The level begins with `$`.
    var beginsWithDollar: Bool { level.beginsWithDollar }

    /// The node of this text, which it makes where there is none.
    func make(_ text: [UInt8]) -> TopicNode {
        var node = self
        var level: Level? = Level(of: text)
        while let here = level {
            node = node.makeChild(here)
            level = here.next
        }
        return node
    }

    func find(_ text: [UInt8]) -> TopicNode? {
        var node = self
        var level: Level? = Level(of: text)
        while let here = level {
            guard let child = node.child(here) else { return nil }
            node = child
            level = here.next
        }
        return node
    }

    /// Takes the node out, and those above it, as far as nothing is left there.
    func prune() {
        var node = self
        while let parent = node.parent, node.isBare {
            parent.remove(node)
            node = parent
        }
    }

    private var isBare: Bool {
        guard value.isEmpty && plus == nil && rest == nil, case .none = children else { return false }
        return true
    }

    private func makeChild(_ level: Level) -> TopicNode {
        if level.isPlus {
            if let plus { return plus }
            let node = TopicNode(level, below: self)
            plus = node
            return node
        }
        if level.isRest {
            if let rest { return rest }
            let node = TopicNode(level, below: self)
            rest = node
            return node
        }
        if let node = child(level) { return node }
        let node = TopicNode(level, below: self)
        switch children {
        case .none: children = .one(node)
        case .one(let first): children = .many([first.level: first, level: node])
        case .many(var table):
            children = .none
            table[level] = node
            children = .many(table)
        }
        return node
    }

    private func remove(_ node: TopicNode) {
        if node === plus { plus = nil; return }
        if node === rest { rest = nil; return }
        switch children {
        case .none: break
        case .one: children = .none
        case .many(var table):
            children = .none
            table[node.level] = nil
            if table.count == 1, let last = table.values.first {
                children = .one(last)
            } else if !table.isEmpty {
                children = .many(table)
            }
        }
    }
}

import Exchanges

/// The matcher: a tree over hosts and path segments, laid out in flat arrays of plain bits. A node
/// is a number, a text is a slice of one byte array, and nothing in a match counts references,
/// allocates or hashes a `String`.
///
/// Back-tracking is bounded by the tree: a node stands for one prefix of one template, so a match
/// enters each node at most once, and no deeper than `PathTemplate.segmentLimit`.
struct Trie: Sendable {
    static let none = UInt32.max

    /// A run of elements in one of the arrays.
    struct Run: Sendable, BitwiseCopyable {
        var start: UInt32 = 0
        var count: UInt32 = 0
    }

    /// What may follow a prefix of segments.
    struct Node: Sendable, BitwiseCopyable {
        /// Into `edges`, ascending by hash.
        var literals = Run()
        /// The node behind `{name}`.
        var parameter = Trie.none
        /// Routes whose path ends here.
        var entries = Run()
        /// Routes with `{name...}` here.
        var rest = Run()
    }

    struct Edge: Sendable, BitwiseCopyable {
        var hash: UInt32
        var node: UInt32
        var text: Slice
    }

    /// What the path of a request is. Routes of one kind never see the requests of another.
    enum Space: UInt8, Sendable, BitwiseCopyable {
        case http
        /// Of MQTT: topics, and filters of topics.
        case topics
        /// Client identifiers of MQTT.
        case clients

        init(_ head: borrowing Head) {
            self = head.dialect != .mqtt ? .http : head.verb == .connect ? .clients : .topics
        }

        init(_ action: MQTTAction?) { self = action == nil ? .http : action == .connect ? .clients : .topics }
    }

    /// A route at its place, as conditions that are left once host and path agree. Entries of a run
    /// stand in order of precedence: the first that fits wins.
    struct Entry: Sendable, BitwiseCopyable {
        var methods: MethodSet
        var listeners: UInt64
        /// Into `conditions`.
        var conditions: Run
        var rule: UInt16
        var grpc: Bool
        var space: Space
    }

    struct Condition: Sendable, BitwiseCopyable {
        enum Test: UInt8, Sendable, BitwiseCopyable { case equals, present, absent }
        /// Of a parameter of the query, not of a field.
        var isQuery = false
        /// Of a field in lower case.
        var nameText: Slice
        var value: Slice
        var name: FieldName
        var test: Test
    }

    /// The routes of one host pattern. Number 0 is "any host".
    struct Host: Sendable, BitwiseCopyable {
        /// Node of `/`.
        var root: UInt32
        /// Routes for `OPTIONS *`.
        var asterisk = Run()
        /// The next less specific pattern that also covers this one; ends with number 0.
        var next = Trie.none
    }

    /// Host texts to their numbers, ascending by hash.
    struct HostKey: Sendable, BitwiseCopyable {
        var hash: UInt32
        var host: UInt32
        var text: Slice
    }

    var nodes: [Node] = []
    var edges: [Edge] = []
    var entries: [Entry] = []
    var conditions: [Condition] = []
    var hosts: [Host] = []
    var exactHosts: [HostKey] = []
    /// Texts with their leading dot, from the end to the beginning.
    var wildcardHosts: [HostKey] = []
    /// Method tokens beside those of `Verb`; number i has the bit `MethodSet(custom: i)`.
    var customMethods: [Slice] = []
    var bytes: [UInt8] = []

    /// One step of the hash that sorts edges and hosts. It only has to spread: equal hashes are
    /// compared byte for byte.
    @inline(__always) static func mix(_ hash: UInt32, _ byte: UInt8) -> UInt32 {
        (hash &<< 5) &- hash &+ UInt32(byte)
    }
}

extension Trie {
    /// What of a request is not path: read once, tested at every candidate.
    struct Asked: BitwiseCopyable {
        var method: MethodSet
        var listener: UInt64
        var grpc: Bool
        var space: Space
        /// Where a topic begins that wildcards do not match, because its first byte is `$`; else -1.
        var reserved = -1
        /// Methods of candidates that had everything but the method.
        var allowed = MethodSet()
    }

    /// The most specific route for the request; see `RouteTable.match`.
    func match(
        _ head: borrowing Head, in text: borrowing Span<UInt8>, listener: UInt16, captures: inout Captures
    ) -> Match {
        captures.count = 0
        guard listener < 64, !head.path.isEmpty else { return .none }
        var asked = Asked(
            method: methodBit(head, in: text), listener: 1 << UInt64(listener), grpc: head.dialect.callsGRPC,
            space: Space(head))
        let start = Int(head.path.start)
        // MQTT 5, 4.7.2.
        if asked.space == .topics, head.path.count > 1, text[start &+ 1] == 0x24 { asked.reserved = start &+ 1 }
        let slash = text[start] == 0x2f
        guard slash || (head.path.count == 1 && text[start] == 0x2a) else { return .none }
        var host = exactHosts.isEmpty && wildcardHosts.isEmpty ? 0 : findHost(head.authority, in: text)
        while host != Trie.none {
            let place = hosts[Int(host)]
            let rule =
                slash
                ? descend(
                    from: place.root, at: start &+ 1, end: head.path.end, head, in: text, &asked, &captures)
                : choose(place.asterisk, head, in: text, &asked)
            if rule != Rule.none { return .route(rule) }
            host = place.next
        }
        return asked.allowed.isEmpty ? .none : .methodNotAllowed(asked.allowed)
    }

    /// Matches the segments from `start` on below `node`: literal, then parameter, then rest, each
    /// only when the more specific one led nowhere. `Rule.none` = nothing here.
    private func descend(
        from first: UInt32, at begin: Int, end: Int, _ head: borrowing Head, in text: borrowing Span<UInt8>,
        _ asked: inout Asked, _ captures: inout Captures
    ) -> UInt16 {
        let node = nodes[Int(first)]
        var hash: UInt32 = 0
        var stop = begin
        while stop < end {
            let byte = text[stop]
            if byte == 0x2f { break }
            hash = Trie.mix(hash, byte)
            stop &+= 1
        }
        let last = stop == end

        if node.literals.count > 0 {
            let child = literal(node.literals, hash: hash, Slice(begin, stop), in: text)
            if child != Trie.none {
                let rule =
                    last
                    ? finish(at: child, end, head, in: text, &asked, &captures)
                    : descend(from: child, at: stop &+ 1, end: end, head, in: text, &asked, &captures)
                if rule != Rule.none { return rule }
            }
        }
        guard begin != asked.reserved else { return Rule.none }
        if node.parameter != Trie.none, asked.space != .http ? !isAllBelow(Slice(begin, stop), in: text) : stop > begin {
            captures.push(Slice(begin, stop))
            let rule =
                last
                ? finish(at: node.parameter, end, head, in: text, &asked, &captures)
                : descend(from: node.parameter, at: stop &+ 1, end: end, head, in: text, &asked, &captures)
            if rule != Rule.none { return rule }
            captures.pop()
        }
        if node.rest.count > 0 {
            let rule = choose(node.rest, head, in: text, &asked)
            if rule != Rule.none {
                captures.push(Slice(begin, end))
                return rule
            }
        }
        return Rule.none
    }

    /// The route of a path that ends at `node`. Of MQTT it is also one whose `{rest...}` would follow: that stands for
    /// no level at all too, as `#` does.
    @inline(__always) private func finish(
        at node: UInt32, _ end: Int, _ head: borrowing Head, in text: borrowing Span<UInt8>, _ asked: inout Asked,
        _ captures: inout Captures
    ) -> UInt16 {
        let node = nodes[Int(node)]
        let rule = choose(node.entries, head, in: text, &asked)
        guard rule == Rule.none, asked.space != .http, node.rest.count > 0 else { return rule }
        let behind = choose(node.rest, head, in: text, &asked)
        if behind != Rule.none { captures.push(Slice(end, end)) }
        return behind
    }

    /// Is the level `#`? A filter that ends so asks for whatever is below, which only `{rest...}` covers.
    @inline(__always) private func isAllBelow(_ level: Slice, in text: borrowing Span<UInt8>) -> Bool {
        level.count == 1 && text[Int(level.start)] == 0x23
    }

    /// The child behind the literal `segment`: a scan where there are few, else a search by hash.
    @inline(__always) private func literal(
        _ run: Run, hash: UInt32, _ segment: Slice, in text: borrowing Span<UInt8>
    ) -> UInt32 {
        var i = Int(run.start)
        let end = i &+ Int(run.count)
        if run.count > 8 {
            var high = end
            while i < high {
                let middle = (i &+ high) / 2
                if edges[middle].hash < hash { i = middle &+ 1 } else { high = middle }
            }
        }
        while i < end {
            let edge = edges[i]
            if edge.hash == hash, same(segment, in: text, as: edge.text) { return edge.node }
            if edge.hash > hash { break }
            i &+= 1
        }
        return Trie.none
    }

    /// Is `slice` of the request byte for byte `own` of the table?
    @inline(__always) private func same(_ slice: Slice, in text: borrowing Span<UInt8>, as own: Slice) -> Bool {
        guard slice.count == own.count else { return false }
        var i = 0
        while i < Int(own.count) {
            if text[Int(slice.start) &+ i] != bytes[Int(own.start) &+ i] { return false }
            i &+= 1
        }
        return true
    }

    /// The first entry of `run` whose conditions hold, or `Rule.none`.
    @inline(__always) private func choose(
        _ run: Run, _ head: borrowing Head, in text: borrowing Span<UInt8>, _ asked: inout Asked
    ) -> UInt16 {
        var i = Int(run.start)
        let end = i &+ Int(run.count)
        while i < end {
            let entry = entries[i]
            i &+= 1
            guard entry.listeners & asked.listener != 0, asked.grpc || !entry.grpc, asked.space == entry.space else { continue }
            if entry.conditions.count > 0, !hold(entry.conditions, head, in: text) { continue }
            if !entry.methods.isDisjoint(with: asked.method) { return entry.rule }
            asked.allowed.formUnion(entry.methods)
        }
        return Rule.none
    }

    private func hold(_ run: Run, _ head: borrowing Head, in text: borrowing Span<UInt8>) -> Bool {
        var i = Int(run.start)
        let end = i &+ Int(run.count)
        while i < end {
            let condition = conditions[i]
            i &+= 1
            if condition.isQuery {
                if isMet(condition, byQuery: head.query, in: text) == (condition.test == .absent) { return false }
                continue
            }
            var found = false
            var k = 0
            while k < head.fields.count, !found {
                let field = head.fields[k]
                k &+= 1
                guard field.name == condition.name else { continue }
                if field.name == .other, !sameIgnoringCase(field.nameText, in: text, as: condition.nameText) { continue }
                found = condition.test != .equals || same(field.value, in: text, as: condition.value)
            }
            if found == (condition.test == .absent) { return false }
        }
        return true
    }

    /// Is there a parameter of that name (and value, where one is wanted)? Compared as it is written.
    private func isMet(_ condition: Condition, byQuery query: Slice, in text: borrowing Span<UInt8>) -> Bool {
        var start = Int(query.start)
        while start < query.end {
            var end = start
            var equals = -1
            while end < query.end, text[end] != 0x26 {
                if text[end] == 0x3d, equals < 0 { equals = end }
                end &+= 1
            }
            let nameEnd = equals < 0 ? end : equals
            if same(Slice(start, nameEnd), in: text, as: condition.nameText) {
                if condition.test != .equals { return true }
                let value = equals < 0 ? Slice(end, end) : Slice(equals &+ 1, end)
                if same(value, in: text, as: condition.value) { return true }
            }
            start = end &+ 1
        }
        return false
    }

    private func sameIgnoringCase(_ slice: Slice, in text: borrowing Span<UInt8>, as own: Slice) -> Bool {
        guard slice.count == own.count else { return false }
        var i = 0
        while i < Int(own.count) {
            if text[Int(slice.start) &+ i].asciiLowercased != bytes[Int(own.start) &+ i] { return false }
            i &+= 1
        }
        return true
    }

    /// The bit of the request's method. A token no route names gets the bit of `Verb.other`, which
    /// only routes for any method have.
    private func methodBit(_ head: borrowing Head, in text: borrowing Span<UInt8>) -> MethodSet {
        if head.verb != .other { return MethodSet(head.verb) }
        var i = 0
        while i < customMethods.count {
            if same(head.method, in: text, as: customMethods[i]) { return MethodSet(custom: i) }
            i &+= 1
        }
        return MethodSet(.other)
    }

    /// The most specific host pattern for an authority: one pass from its end, so that every suffix
    /// behind a dot has its hash when it is met.
    private func findHost(_ authority: Slice, in text: borrowing Span<UInt8>) -> UInt32 {
        let start = Int(authority.start)
        var end = start
        if start < authority.end, text[start] == 0x5b {
            while end < authority.end, text[end] != 0x5d { end &+= 1 }
            end = min(end &+ 1, authority.end)
        } else {
            while end < authority.end, text[end] != 0x3a { end &+= 1 }
            if end > start, text[end &- 1] == 0x2e { end &-= 1 }
        }
        var hash: UInt32 = 0
        var found: UInt32 = 0
        var at = end
        while at > start {
            at &-= 1
            let byte = text[at].asciiLowercased
            hash = Trie.mix(hash, byte)
            // A star stands for at least one byte.
            if byte == 0x2e, at > start, !wildcardHosts.isEmpty {
                let host = lookUp(wildcardHosts, hash: hash, Slice(at, end), in: text)
                if host != Trie.none { found = host }
            }
        }
        let exact = lookUp(exactHosts, hash: hash, Slice(start, end), in: text)
        return exact != Trie.none ? exact : found
    }

    private func lookUp(
        _ keys: [HostKey], hash: UInt32, _ host: Slice, in text: borrowing Span<UInt8>
    ) -> UInt32 {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low &+ high) / 2
            if keys[middle].hash < hash { low = middle &+ 1 } else { high = middle }
        }
        while low < keys.count, keys[low].hash == hash {
            if sameIgnoringCase(host, in: text, as: keys[low].text) { return keys[low].host }
            low &+= 1
        }
        return Trie.none
    }
}

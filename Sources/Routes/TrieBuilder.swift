import Exchanges

/// Grows the tree of routes with ordinary collections, then lays it out flat. Cold: runs at load.
struct TrieBuilder {
    private final class Branch {
        var literals: [[UInt8]: Branch] = [:]
        var parameter: Branch?
        var entries: [Candidate] = []
        var rest: [Candidate] = []
    }

    private final class HostBranch {
        let pattern: HostPattern?
        let root = Branch()
        var asterisk: [Candidate] = []
        init(_ pattern: HostPattern?) { self.pattern = pattern }
    }

    private struct Candidate {
        var match: RouteMatch
        var methods: MethodSet
        var rule: UInt16

        /// Most conditions first, and of as many the one that wants more exact values (or `x: blue`
        /// behind `x: { present: true }` would never be reached); then a route that names HEAD before
        /// one that takes it with GET, then named methods before any; then the order of the files.
        var rank: (Int, Int, Int, UInt16) {
            let named = match.methods.contains("HEAD") ? 0 : methods == .any ? 2 : 1
            return (-match.conditionCount, -match.exactCount, named, rule)
        }
    }

    private var hosts: [HostBranch] = [HostBranch(nil)]
    private var numbers: [HostPattern: Int] = [:]
    private var trie = Trie()
    private var customMethods: [String] = []

    /// Adds a route under its number. False when the table has no bit left for one of its methods.
    mutating func add(_ match: RouteMatch, rule: UInt16) -> Bool {
        guard let methods = methodSet(match) else { return false }
        let candidate = Candidate(match: match, methods: methods, rule: rule)
        for pattern in match.hosts.isEmpty ? [nil] : match.hosts.map(Optional.some) {
            let host = branch(for: pattern)
            if match.path.isAsterisk {
                host.asterisk.append(candidate)
                continue
            }
            var place = host.root
            var ended = false
            for segment in match.path.segments {
                switch segment {
                case .literal(let bytes):
                    let child = place.literals[bytes] ?? Branch()
                    place.literals[bytes] = child
                    place = child
                case .parameter:
                    let child = place.parameter ?? Branch()
                    place.parameter = child
                    place = child
                case .rest:
                    place.rest.append(candidate)
                    ended = true
                }
            }
            if !ended { place.entries.append(candidate) }
        }
        return true
    }

    /// The flat form of all that was added.
    consuming func build() -> Trie {
        trie.customMethods = customMethods.map { store(Array($0.utf8)) }
        for host in hosts {
            let root = flatten(host.root)
            trie.hosts.append(Trie.Host(root: root, asterisk: lay(host.asterisk), next: next(after: host)))
        }
        for (i, host) in hosts.enumerated() {
            guard let pattern = host.pattern else { continue }
            let bytes = Array(pattern.text.utf8)
            let key = Trie.HostKey(
                hash: bytes.reversed().reduce(0, Trie.mix), host: UInt32(i), text: store(bytes))
            if pattern.isWildcard { trie.wildcardHosts.append(key) } else { trie.exactHosts.append(key) }
        }
        trie.exactHosts.sort { $0.hash < $1.hash }
        trie.wildcardHosts.sort { $0.hash < $1.hash }
        return trie
    }

    private mutating func branch(for pattern: HostPattern?) -> HostBranch {
        guard let pattern else { return hosts[0] }
        if let known = numbers[pattern] { return hosts[known] }
        let made = HostBranch(pattern)
        numbers[pattern] = hosts.count
        hosts.append(made)
        return made
    }

    /// The longest other wildcard that covers the host's own pattern, else "any"; nothing behind "any".
    private func next(after host: HostBranch) -> UInt32 {
        guard let pattern = host.pattern else { return Trie.none }
        var tail = pattern.text[...]
        while let dot = tail.dropFirst().firstIndex(of: ".") {
            // An exact name's own first dot counts; a wildcard's is its first byte and was dropped.
            tail = tail[dot...]
            if let number = numbers[HostPattern(suffix: String(tail))] { return UInt32(number) }
        }
        return 0
    }

    /// The methods a route answers: those it names, HEAD with GET; every one when it names none.
    private mutating func methodSet(_ match: RouteMatch) -> MethodSet? {
        if let action = match.mqtt { return MethodSet(action.verb) }
        if match.methods.isEmpty { return .any }
        var set = MethodSet()
        for token in match.methods {
            if let verb = Verb.allCases.first(where: { $0.token == token }) {
                set.insert(MethodSet(verb))
                if verb == .get { set.insert(MethodSet(.head)) }
            } else if let known = customMethods.firstIndex(of: token) {
                set.insert(MethodSet(custom: known))
            } else {
                guard customMethods.count < MethodSet.customLimit else { return nil }
                set.insert(MethodSet(custom: customMethods.count))
                customMethods.append(token)
            }
        }
        return set
    }

    private mutating func flatten(_ branch: Branch) -> UInt32 {
        let number = trie.nodes.count
        trie.nodes.append(Trie.Node())
        var node = Trie.Node()
        node.entries = lay(branch.entries)
        node.rest = lay(branch.rest)
        var edges: [Trie.Edge] = []
        // Sorted by text first, so that equal files make equal tables.
        for (text, child) in branch.literals.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let place = flatten(child)
            edges.append(Trie.Edge(hash: text.reduce(0, Trie.mix), node: place, text: store(text)))
        }
        edges.sort { $0.hash < $1.hash }
        node.literals = Trie.Run(start: UInt32(trie.edges.count), count: UInt32(edges.count))
        trie.edges += edges
        if let parameter = branch.parameter { node.parameter = flatten(parameter) }
        trie.nodes[number] = node
        return UInt32(number)
    }

    private mutating func lay(_ candidates: [Candidate]) -> Trie.Run {
        let run = Trie.Run(start: UInt32(trie.entries.count), count: UInt32(candidates.count))
        for candidate in candidates.sorted(by: { $0.rank < $1.rank }) {
            let conditions = Trie.Run(
                start: UInt32(trie.conditions.count), count: UInt32(candidate.match.headers.count + candidate.match.query.count))
            for condition in candidate.match.headers { trie.conditions.append(flat(condition)) }
            for condition in candidate.match.query {
                var flat = flat(condition)
                flat.isQuery = true
                trie.conditions.append(flat)
            }
            trie.entries.append(
                Trie.Entry(
                    methods: candidate.methods, listeners: candidate.match.listenerMask, conditions: conditions,
                    rule: candidate.rule, grpc: candidate.match.grpc,
                    space: Trie.Space(candidate.match.mqtt)))
        }
        return run
    }

    private mutating func flat(_ condition: HeaderCondition) -> Trie.Condition {
        let name = Array(condition.name.utf8)
        let field = FieldName.intern(name.span)
        switch condition.test {
        case .equals(let value):
            return Trie.Condition(nameText: store(name), value: store(value), name: field, test: .equals)
        case .present: return Trie.Condition(nameText: store(name), value: .none, name: field, test: .present)
        case .absent: return Trie.Condition(nameText: store(name), value: .none, name: field, test: .absent)
        }
    }

    private mutating func store(_ text: [UInt8]) -> Slice {
        let start = trie.bytes.count
        trie.bytes += text
        return Slice(start, trie.bytes.count)
    }
}

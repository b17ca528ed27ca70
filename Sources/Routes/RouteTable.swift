public import Exchanges
import Settings

/// Every route of one generation, compiled: a tree to find the rule, the rules as plain bits, and the
/// tables their indices point into. Immutable, so all workers read it without locks.
public final class RouteTable: Sendable {
    /// What the request path reads; same index as `routes`.
    public let rules: [Rule]
    /// What people read: names, templates, places in files.
    public let routes: [RouteDefinition]
    /// Names behind `Target.upstream`: those of `Configuration.clusters`.
    public let clusters: [String]
    /// Names behind `Target.command` and `Target.query`.
    public let vocabulary: Vocabulary
    /// Names behind listener numbers: those of `Configuration.allListeners`.
    public let listeners: [String]
    /// Behind `Rule.shield`.
    public let limits: [ShieldLimit]
    /// Behind `Rule.identity`.
    public let identities: [IdentityDemand]
    /// Behind `Rule.access`.
    public let accesses: [AccessDemand]
    /// Behind `Rule.quota`.
    public let quotas: [[QuotaDefinition]]
    /// Behind `Rule.repetition`.
    public let repetitions: [RepetitionRule]
    /// Behind `Target.fixed`.
    public let fixed: [FixedAnswer]
    /// Behind `Rule.flag`.
    public let flags: [FlagDefinition]
    /// Behind `Rule.call`.
    public let calls: [CallDefinition]
    /// Behind `Rule.steeringKey`.
    public let steeringKeys: [[SteeringKey]]
    /// Behind `Rule.headerEdits`.
    public let headerEdits: [HeaderEdits]
    /// Behind the runs of `headerEdits`.
    public let edits: [HeaderEdit]
    /// Behind `Rule.cors`.
    public let cors: [CORSPolicy]
    /// Behind `HostRewrite.literal`: slices of `text`.
    public let literals: [Slice]
    /// The bytes that edits and literals point into.
    public let text: [UInt8]

    /// Behind `RouteParameter.translation`.
    public let translations: [TranslationTable]
    /// The routes' parameters; same index as `routes`.
    public let parameters: [[RouteParameter]]

    let trie: Trie
    let rewrites: PathRewrites

    init(_ parts: consuming TableParts, configuration: Configuration, vocabulary: Vocabulary) {
        rules = parts.rules
        routes = parts.routes
        clusters = configuration.clusters.map(\.name)
        self.vocabulary = vocabulary
        listeners = configuration.allListeners.map(\.name)
        limits = parts.limits
        identities = parts.identities
        accesses = parts.accesses
        quotas = parts.quotas
        repetitions = parts.repetitions
        fixed = parts.fixed
        flags = parts.flags
        calls = parts.calls
        steeringKeys = parts.steeringKeys
        headerEdits = parts.headerEdits
        edits = parts.edits
        cors = parts.cors
        literals = parts.literals
        translations = parts.translations
        parameters = parts.routes.map(\.parameters)
        text = parts.text
        trie = parts.trie
        rewrites = parts.rewrites
    }

    /// The route for a request.
    ///
    /// Host before path before conditions before method: exact host, longest wildcard, any; in each
    /// segment literal, parameter, rest, with back-tracking; then more conditions, then a named method.
    /// - Parameters:
    ///   - head: `path` in normal form; `authority` may have a port and any case.
    ///   - text: the text the head's slices point into; a slice outside it traps.
    ///   - listener: index into `Configuration.allListeners`.
    ///   - captures: filled with slices of `text`; meaningful only with `.route`.
    public func match(
        _ head: borrowing Head, in text: borrowing Span<UInt8>, listener: UInt16, captures: inout Captures
    ) -> Match {
        trie.match(head, in: text, listener: listener, captures: &captures)
    }

    /// Appends the value of an `Allow` field: `GET, HEAD, POST`.
    public func appendAllow(_ methods: MethodSet, into buffer: Buffer) {
        let own = trie.bytes
        var first = true
        func separate() {
            if !first { buffer.append(", ") }
            first = false
        }
        for verb in Verb.allCases where methods.contains(MethodSet(verb)) {
            guard let token = verb.token else { continue }
            separate()
            buffer.append(token)
        }
        for (i, token) in trie.customMethods.enumerated() where methods.contains(MethodSet(custom: i)) {
            separate()
            buffer.append(token, of: own.span)
        }
    }

    /// Appends the path that goes upstream, without the query.
    /// - Parameters:
    ///   - index: `Rule.pathRewrite`; `Rule.none` appends the path as it is.
    ///   - path: `Head.path`, with the captures its match left, all slices of `text`.
    public func pathRewrite(
        _ index: UInt16, path: Slice, captures: borrowing Captures, in text: borrowing Span<UInt8>, into buffer: Buffer
    ) {
        rewrites.append(index, path: path, captures: captures, in: text, into: buffer)
    }
}

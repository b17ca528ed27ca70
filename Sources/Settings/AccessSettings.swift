/// Where the policies are that the stage `authorize` asks, and whom they may ask outside.
public struct AccessSettings: Sendable, Equatable {
    public static let defaultFolder = "config/policies"

    /// Folders of policy files, and single ones.
    public var policies = [AccessSettings.defaultFolder]
    /// Nil = nobody.
    public var opa: OPA?

    /// An Open Policy Agent, asked through its REST API. Whatever goes wrong is a refusal.
    public struct OPA: Sendable, Equatable {
        public var cluster: String
        /// Of the decision: `/v1/data/…`.
        public var path: String
        /// For one question, in milliseconds.
        public var timeout: UInt32 = 200
        /// How long an answer holds, in milliseconds; 0 = for those who wait for it.
        public var cache: UInt32 = 5_000
        /// Answers remembered.
        public var cacheEntries = 10_000
        /// Requests that may wait for answers; others are refused.
        public var pending = 1_000

        public init(cluster: String, path: String) {
            self.cluster = cluster
            self.path = path
        }
    }

    public init() {}

    mutating func read(_ fields: Fields, clusters: [Cluster]) {
        if let paths = fields.strings("policies") {
            if paths.isEmpty { fields.diagnostics.error(at: fields.position(of: "policies"), "'policies' names no folder and no file") }
            policies = paths.map(\.text)
        }
        if let value = fields.value("opa") { opa = OPA.read(value, clusters, fields.diagnostics) }
        fields.finish()
    }
}

extension AccessSettings.OPA {
    /// Questions under way, and who waits for them, are worker's messages later: so many at most.
    public static let mostPending = 4_096

    fileprivate static func read(_ value: Value, _ clusters: [Cluster], _ diagnostics: Diagnostics) -> Self? {
        if case .scalar("off", _) = value.shape { return nil }
        let fields = Fields(value, "the OPA", diagnostics)
        let (cluster, path) = (fields.value("cluster"), fields.value("path"))
        for key in ["cluster", "path"] where !fields.has(key) {
            diagnostics.error(at: fields.position, "the OPA needs '\(key)', or write 'opa: off'")
        }
        var opa = Self(cluster: "", path: "")
        opa.timeout = fields.milliseconds("timeout", in: 1...10_000) ?? opa.timeout
        opa.cache = fields.milliseconds("cache", in: 0...3_600_000) ?? opa.cache
        opa.cacheEntries = fields.integer("cache_entries", in: 1...1_000_000) ?? opa.cacheEntries
        opa.pending = fields.integer("pending", in: 1...mostPending) ?? opa.pending
        fields.finish()
        if let cluster, let name = cluster.string("cluster", diagnostics) {
            opa.cluster = name
            if !clusters.contains(where: { $0.name == name }) {
                let hint = Spelling.hint(name, among: clusters.map(\.name))
                diagnostics.error(at: cluster.position, "there is no cluster '\(name)'\(hint)")
            }
        }
        if let path, let text = path.string("path", diagnostics) {
            opa.path = text
            if !isPath(text) {
                diagnostics.error(at: path.position, "'path' must be a path such as /v1/data/nexus/allow, without a query, not '\(text)'")
            }
        }
        return opa
    }

    private static func isPath(_ text: String) -> Bool {
        (2...1024).contains(text.utf8.count) && text.hasPrefix("/")
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && ![0x22, 0x23, 0x3c, 0x3e, 0x3f, 0x5c].contains($0) }
    }
}

/// What a cluster does about endpoints that fail, calls that pile up, and attempts made again. Times are
/// milliseconds. Every number is explained where it is used: docs/upstreams.md.
extension Cluster {
    public enum Balance: String, Sendable, CaseIterable {
        /// The less busy of two endpoints drawn at random.
        case leastRequest = "least_request"
        /// In turn.
        case roundRobin = "round_robin"
        /// The same endpoint for the same key, as long as it is there.
        case consistentHash = "consistent_hash"
    }

    /// What of a request keeps it with one endpoint.
    public enum HashKey: Sendable, Equatable {
        /// The field's first line; the name in lower case.
        case header(String)
        case cookie(String)
        /// The client's address.
        case source
        /// The path's normal form, without the query.
        case path
    }

    /// Active checks of every endpoint.
    public struct Health: Sendable, Equatable {
        public enum Probe: Sendable, Equatable {
            /// GET, in the cluster's protocol. `host` nil = the endpoint's own.
            case http(path: String, expect: ClosedRange<UInt16>, host: String?)
            /// `grpc.health.v1.Health/Check`; an empty service is the whole server.
            case grpc(service: String)
            /// A connection can be made.
            case tcp
        }
        public var probe: Probe
        public var interval: UInt32 = 5_000
        public var timeout: UInt32 = 2_000
        /// Successes in a row until an unhealthy endpoint is used again.
        public var healthy = 2
        /// Failures in a row until an endpoint is left out.
        public var unhealthy = 3
        public init(probe: Probe) { self.probe = probe }
    }

    /// Leaving out endpoints whose answers fail, for a while.
    public struct Ejection: Sendable, Equatable {
        /// Failures in a row.
        public var consecutive = 5
        /// The first time; the nth lasts n times as long.
        public var time: UInt32 = 30_000
        public var maxTime: UInt32 = 300_000
        /// Of a cluster's endpoints, at once.
        public var maxPercent = 50
        public init() {}
    }

    /// SPEC F-1.
    public struct Breaker: Sendable, Equatable {
        /// Calls that are remembered.
        public var window = 10
        /// Calls before anything is decided.
        public var minimum = 5
        /// Percent of the remembered calls that failed.
        public var failures = 50
        public var open: UInt32 = 10_000
        /// Calls let through after that; all must succeed.
        public var halfOpen = 3
        public init() {}
    }

    /// SPEC F-2.
    public struct Bulkhead: Sendable, Equatable {
        public var concurrent = 30
        public var wait: UInt32 = 5_000
        public init() {}
    }

    /// SPEC F-3.
    public struct RetryBudget: Sendable, Equatable {
        /// Retries for each hundred requests of the last ten seconds.
        public var percent = 20
        /// Retries a second that are allowed however few the requests are.
        public var minimum = 10
        public init() {}
    }
}

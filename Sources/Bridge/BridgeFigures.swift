/// What a bridge has done since it began. All but the gauges only grow.
public struct BridgeFigures: Sendable, Equatable {
    /// Gauge.
    public var isConnected = false
    /// Gauge: filters that were asked for, and that the broker has not answered yet.
    public var subscribing = 0
    /// Connections that were granted.
    public var connects: UInt64 = 0
    /// Attempts that failed, and connections that were lost.
    public var losses: UInt64 = 0
    /// Messages read.
    public var received: UInt64 = 0
    public var taken: UInt64 = 0
    public var refused: UInt64 = 0
    /// Could not be taken then: to be sent again by the broker.
    public var postponed: UInt64 = 0
    /// Were not taken and will not come again: QoS 0, or the session was clean.
    public var lost: UInt64 = 0
    /// Retained by the broker from before: not news, and left alone.
    public var stale: UInt64 = 0
    /// Gauge: read and not answered yet. Lost with the process where QoS is 0; all others the broker still has.
    public var unsettled = 0
    /// Gauge: of `unsettled`, those the broker has forgotten.
    public var atRisk = 0
    /// Acknowledged by the broker.
    public var published: UInt64 = 0
    /// Refused by the broker, not acknowledged in time, or not taken in at all.
    public var unpublished: UInt64 = 0
    /// Gauge: handed to libmosquitto, and not acknowledged.
    public var publishing = 0
    /// Filters that the broker does not grant.
    public var refusedFilters: UInt64 = 0
    public init() {}
}

/// What whoever runs a bridge should know, for its log.
public enum BridgeNote: Sendable, Equatable {
    case connected(sessionPresent: Bool)
    /// The text is libmosquitto's.
    case lost(String)
    /// CONNACK with this code.
    case refused(code: Int32)
    case filterRefused(String)
}

/// What the kernel says about a descriptor, in the poller's neutral terms.
public struct Readiness: OptionSet, Sendable, BitwiseCopyable {
    public let rawValue: UInt32
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: 0x001)
    public static let writable = Readiness(rawValue: 0x004)
    /// Error or full hang-up: nothing can be sent any more. After a hang-up alone, what the peer sent before
    /// can still be read.
    public static let failed = Readiness(rawValue: 0x018)
    /// Error alone.
    public static let broken = Readiness(rawValue: 0x008)
    /// The peer has closed its sending side; what it sent before can still be read.
    public static let peerClosed = Readiness(rawValue: 0x2000)
}

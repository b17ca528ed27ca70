/// All that leaves a worker: which worker, which slot, which life of that slot. It keeps nothing
/// alive; an answer that comes for a gone exchange finds another generation and is dropped.
public struct Ticket: Sendable, Hashable, BitwiseCopyable {
    public var worker: UInt16
    public var slot: UInt32
    public var generation: UInt32
    @inlinable public init(worker: UInt16, slot: UInt32, generation: UInt32) {
        self.worker = worker
        self.slot = slot
        self.generation = generation
    }

    /// As `worker`: nobody's exchange, somebody in this process asks for himself.
    public static let inside = UInt16.max
    @inlinable public var isInside: Bool { worker == Ticket.inside }
}

/// Something that owns a descriptor or a deadline on a loop: a listener, a connection, a wake-up.
///
/// A source lives on the loop that it was registered with and is never touched from another thread.
open class Source {
    /// The loop's number for this source, valid while registered.
    public internal(set) final var slot: UInt32 = .max
    /// The real deadline in loop milliseconds; 0 = none. Set through `EventLoop.setDeadline`.
    public internal(set) final var deadlineMS: UInt64 = 0

    public init() {}

    /// The descriptor became readable, writable or failed (edge: reported once per change).
    open func ready(_ readiness: Readiness) {}
    /// The deadline passed. It is cleared before the call.
    open func deadlinePassed() {}
    /// The turn ends, and the source asked to be told (`EventLoop.atEndOfTurn`): what many events of one
    /// turn have gathered leaves now, together.
    open func turnEnded() {}
}

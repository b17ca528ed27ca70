public import Exchanges

/// A worker's spare buffers. A connection holds one only while it has bytes that wait; an idle
/// connection holds none.
public final class BufferPool {
    /// Bytes of a pooled buffer. A head that needs more grows its buffer, which is then not pooled.
    public static let size = 16 * 1024
    /// Bytes of a worker's receive buffer for answers.
    public static let largeSize = 128 * 1024
    private var spare: [Buffer] = []
    private let bound: Int

    /// - Parameter bound: most spare buffers kept; the rest goes back to the system.
    init(bound: Int = 256) { self.bound = bound }

    public func take() -> Buffer { spare.popLast() ?? Buffer(capacity: Self.size) }

    public func give(_ buffer: Buffer) {
        guard buffer.capacity == Self.size, spare.count < bound else { return }
        buffer.clear()
        spare.append(buffer)
    }
}

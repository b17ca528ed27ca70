public import Exchanges

/// A worker's spare buffers. A connection holds one only while it has bytes that wait; an idle
/// connection holds none.
public final class BufferPool {
    /// Bytes of a pooled buffer. A head that needs more grows its buffer, which is then not pooled.
    public static let size = 16 * 1024
    /// Bytes of a buffer for bulk transfer.
    public static let largeSize = 128 * 1024
    private var spare: [Buffer] = []
    private var large: [Buffer] = []
    private let bound: Int

    /// - Parameter bound: most spare buffers kept; the rest goes back to the system.
    init(bound: Int = 256) { self.bound = bound }

    public func take() -> Buffer { spare.popLast() ?? Buffer(capacity: Self.size) }

    /// For a transfer that has filled the usual size.
    public func takeLarge() -> Buffer { large.popLast() ?? Buffer(capacity: Self.largeSize) }

    public func give(_ buffer: Buffer) {
        buffer.clear()
        if buffer.capacity == Self.size {
            if spare.count < bound { spare.append(buffer) }
        } else if buffer.capacity == Self.largeSize, large.count < 8 {
            large.append(buffer)
        }
    }
}

/// A worker's spare storage. A connection's buffers hold storage only while they hold bytes; an idle
/// connection holds none. Plain pointers, so that taking and giving count no references.
public final class BufferPool {
    /// Bytes of one piece of storage. A buffer that needs more grows, and its storage is not pooled.
    public static let size = 16 * 1024
    private var spare: [UnsafeMutablePointer<UInt8>] = []
    private let bound: Int

    /// - Parameter bound: most spare pieces kept; the rest goes back to the system.
    public init(bound: Int = 256) {
        self.bound = bound
        spare.reserveCapacity(bound)
    }

    /// Stands where a buffer has no pool; nothing is ever taken from it or given to it, so all threads may hold it.
    nonisolated(unsafe) static let none = BufferPool(bound: 0)

    deinit { for piece in spare { piece.deallocate() } }

    func take() -> UnsafeMutablePointer<UInt8> { spare.popLast() ?? .allocate(capacity: Self.size) }

    func give(_ piece: UnsafeMutablePointer<UInt8>) {
        if spare.count < bound { spare.append(piece) } else { piece.deallocate() }
    }
}

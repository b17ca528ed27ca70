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

    deinit { for piece in spare { piece.deallocate() } }

    func take() -> UnsafeMutablePointer<UInt8> { spare.popLast() ?? .allocate(capacity: Self.size) }

    func give(_ piece: UnsafeMutablePointer<UInt8>) {
        if spare.count < bound { spare.append(piece) } else { piece.deallocate() }
    }
}

/// Cuts a connection's bytes into packets (MQTT 5.0 section 2.1): the fixed header, and where the rest stands.
public struct FrameReader: Sendable, BitwiseCopyable {
    public struct Frame: Sendable {
        public var type: PacketType
        /// The low four bits of the first byte, checked against the type (section 2.1.3).
        public var flags: UInt8
        /// The variable header and the payload, in the bytes given.
        public var body: Range<Int>
        /// Bytes of the whole packet.
        public var count: Int
    }

    public enum Progress: Sendable {
        /// Nothing whole is there. `least`: bytes that have to be there from the packet's beginning before it makes sense to look again.
        case needMore(least: Int)
        case frame(Frame)
        case failed(ReasonCode, StaticString)
    }

    /// Bytes of a whole packet, at most; larger ones fail with `packetTooLarge` as soon as their length is known.
    public var maximum: Int

    public init(maximum: Int) { self.maximum = maximum }

    /// The packet that begins at `start`.
    public func next(_ bytes: borrowing Span<UInt8>, at start: Int) -> Progress {
        preconditionFailure("not written yet")
    }
}

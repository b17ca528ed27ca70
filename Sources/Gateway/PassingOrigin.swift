import Exchanges
import Pipeline

/// What the client's side of an answer that passes can tell the other.
final class PassingOrigin: Origin {
    private let wire: StoringWire
    init(of wire: StoringWire) { self.wire = wire }

    var wantsBody: Bool { false }
    var isFlushed: Bool { true }
    func send(_ bytes: borrowing Span<UInt8>) {}
    func endBody(trailers: Buffer?) {}
    func flush() {}
    func pause() { wire.pause() }
    func resume() { wire.resume() }
    func cancel() { wire.cancel() }
}

import Exchanges
import Pipeline

/// Stands before the origin of a call that came as base64: what the client sends goes on as bytes.
final class GRPCWebTextOrigin: Origin {
    private let origin: any Origin
    private let translation: GRPCWebTranslation
    private let bytes = Buffer(capacity: 512)
    /// It is not base64. The call ends at the flush: not inside `send`, where the client's input is being read.
    private var isBroken = false

    init(_ origin: any Origin, of translation: GRPCWebTranslation) {
        self.origin = origin
        self.translation = translation
    }

    var wantsBody: Bool { !isBroken && origin.wantsBody }
    var isFlushed: Bool { origin.isFlushed }

    func send(_ text: borrowing Span<UInt8>) {
        guard !isBroken else { return }
        bytes.clear()
        guard translation.decode(text, into: bytes) else {
            isBroken = true
            return
        }
        bytes.withReadable { origin.send($0) }
    }

    func endBody(trailers: Buffer?) {
        guard !isBroken, translation.isRequestWhole else {
            isBroken = false
            return translation.refuseRequest()
        }
        origin.endBody(trailers: trailers)
    }

    func flush() {
        guard isBroken else { return origin.flush() }
        isBroken = false
        translation.refuseRequest()
    }

    func pause() { origin.pause() }
    func resume() { origin.resume() }
    func cancel() { origin.cancel() }
}

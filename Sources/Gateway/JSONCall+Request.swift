import Contracts
import EventCore
import Exchanges
import Pipeline
import WireGRPC

/// The way of a JSON request to its origin: one message made of all of it, or a message of each line.
extension JSONCall {
    /// The request is here as far as its method wants it: makes the call's message.
    /// - Returns: false = it is no message, and the client has been told.
    func prepare(_ exchange: Exchange) -> Bool {
        guard !call.clientStreams else { return true }
        let frame = Buffer(capacity: 256)
        GRPCMessageWriter.prefix(0, into: frame)
        do throws(ProtoJSONError) {
            try call.appendMessage(exchange, into: frame)
        } catch {
            refuse(exchange, error)
            return false
        }
        let length = frame.count - 5
        frame.withMutableReadable { bytes in
            for i in 0..<4 { bytes[1 + i] = UInt8(truncatingIfNeeded: length >> (24 - 8 * i)) }
        }
        exchange.body = frame
        exchange.bodyComplete = true
        exchange.requestBody = .known(UInt64(frame.count))
        return true
    }

    func requestOrigin(_ origin: any Origin, of exchange: Exchange) -> any Origin {
        call.clientStreams ? MessageLines(self, to: origin, of: exchange) : origin
    }

    /// What the client sent does not fit the contract.
    func refuse(_ exchange: Exchange, _ error: ProtoJSONError) {
        let problem = Problem(
            Outcome(.validationError, "the request is not valid"), exchange,
            fields: [Invalid.Field(error.pointer, error.text)])
        answer(problem.reply(), of: exchange)
    }
}

/// A request body of one JSON text a line, as messages of a call.
final class MessageLines: Origin {
    private let call: JSONCall
    private let origin: any Origin
    /// A line that is not whole yet.
    private let line = Buffer(capacity: 512)
    private let frame = Buffer(capacity: 512)
    private var isOver = false
    /// The exchange these are the messages of; it holds this object, and lets it go at its end.
    private unowned let exchange: Exchange

    init(_ call: JSONCall, to origin: any Origin, of exchange: Exchange) {
        self.call = call
        self.origin = origin
        self.exchange = exchange
    }

    var wantsBody: Bool { origin.wantsBody }
    var isFlushed: Bool { origin.isFlushed }

    func send(_ bytes: borrowing Span<UInt8>) {
        var start = 0
        while start < bytes.count, !isOver {
            var end = start
            while end < bytes.count, bytes[end] != 0x0a { end += 1 }
            guard line.count + end - start <= call.call.messageLimit else {
                isOver = true
                return call.answer(Outcome(.tooLarge, "a line of the request is longer than a message may be"), of: exchange)
            }
            line.append(bytes.extracting(start..<end))
            if end < bytes.count { sendLine() }
            start = end + 1
        }
    }

    private func sendLine() {
        defer { line.clear() }
        guard line.withReadable({ !$0.isBlank }) else { return }
        frame.clear()
        do throws(ProtoJSONError) {
            try call.call.appendMessage(json: line, into: frame)
        } catch {
            isOver = true
            // The origin hears of it as of a client that has left.
            origin.cancel()
            exchange.origin = nil
            return call.refuse(exchange, error)
        }
        line.clear()
        GRPCMessageWriter.prefix(frame.count, into: line)
        line.withReadable { origin.send($0) }
        frame.withReadable { origin.send($0) }
    }

    func endBody(trailers: Buffer?) {
        if !line.isEmpty { sendLine() }
        if !isOver { origin.endBody(trailers: nil) }
    }

    func flush() { if !isOver { origin.flush() } }
    func pause() { origin.pause() }
    func resume() { origin.resume() }
    func cancel() { origin.cancel() }
}

extension Span where Element == UInt8 {
    /// White space and nothing else.
    fileprivate var isBlank: Bool {
        for i in 0..<count where ![0x20, 0x09, 0x0d].contains(self[i]) { return false }
        return true
    }
}

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
        guard !call.clientStreams, !isPrepared else { return true }
        isPrepared = true
        let frame = Buffer(capacity: 256)
        GRPCMessageWriter.prefix(0, into: frame)
        do throws(ProtoJSONError) {
            try call.appendMessage(exchange, into: frame, &worker.transcoder)
        } catch {
            refuse(exchange, error)
            return false
        }
        let violations = frame.withReadable { bytes in
            worker.era(of: exchange).contracts.inspections[Int(exchange.route)]?.violations(in: bytes.extracting(5...)) ?? []
        }
        guard violations.isEmpty || exchange.rule.isGRPC else {
            answer(Problem(.invalid, exchange, fields: violations).reply(), of: exchange)
            return false
        }
        frame.setMessageLength()
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
        let problem = Problem(.invalid, exchange, fields: [Invalid.Field(error.pointer, error.text)])
        answer(problem.reply(), of: exchange)
    }
}

/// A request body of one JSON text a line, as messages of a call.
final class MessageLines: Origin {
    private let call: JSONCall
    private let origin: any Origin
    private let line: Buffer
    private let frame = Buffer(capacity: 512)
    private var fault: Fault?
    private var isOver = false
    /// The exchange these are the messages of; it holds this object, and lets it go at its end.
    private unowned let exchange: Exchange

    /// What is wrong with the body. It ends the call at the flush: not inside `send`, where the client's input is
    /// being read.
    private enum Fault {
        case tooLong
        case wrong(ProtoJSONError)
    }

    init(_ call: JSONCall, to origin: any Origin, of exchange: Exchange) {
        self.call = call
        line = call.line
        self.origin = origin
        self.exchange = exchange
    }

    var wantsBody: Bool { fault == nil && origin.wantsBody }
    var isFlushed: Bool { origin.isFlushed }

    func send(_ bytes: borrowing Span<UInt8>) {
        var start = 0
        while start < bytes.count, fault == nil {
            var end = start
            while end < bytes.count, bytes[end] != 0x0a { end += 1 }
            guard line.count + end - start <= call.call.messageLimit else {
                fault = .tooLong
                return
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
            try call.call.appendMessage(json: line, into: frame, &call.worker.transcoder)
        } catch {
            fault = .wrong(error)
            return
        }
        line.clear()
        GRPCMessageWriter.prefix(frame.count, into: line)
        line.withReadable { origin.send($0) }
        frame.withReadable { origin.send($0) }
    }

    func endBody(trailers: Buffer?) {
        if !line.isEmpty, fault == nil {
            guard origin.wantsBody else {
                call.lastLineWaits = true
                return
            }
            sendLine()
        }
        if fault == nil { origin.endBody(trailers: nil) } else { refuse() }
    }

    func flush() {
        if fault == nil { origin.flush() } else { refuse() }
    }

    private func refuse() {
        guard let fault, !isOver else { return }
        isOver = true
        // The origin hears of it as of a client that has left.
        exchange.origin = nil
        origin.cancel()
        switch fault {
        case .tooLong: call.answer(Outcome(.tooLarge, "a line of the request is longer than a message may be"), of: exchange)
        case .wrong(let error): call.refuse(exchange, error)
        }
    }

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

import Exchanges
import Glibc
import Reactor
import WireHTTP

/// Asks the running daemon through its admin listener; blocking, one request.
struct AdminClient {
    let address: SocketAddress

    /// Why there is no answer, for people.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static var patienceMS: Int32 { 5_000 }
    private static var mostBytes: Int { 64 << 20 }

    /// The answer, whatever its status.
    /// - Parameter body: sent as JSON, unless there is none.
    func ask(_ verb: Verb, _ path: String, body: [UInt8] = []) throws(Failure) -> (status: UInt16, body: [UInt8]) {
        let descriptor: Int32
        switch Dial.start(address) {
        case .success(let started): descriptor = started
        case .failure(let error): throw Failure(description: "no daemon answers on \(address): \(error)")
        }
        var transport = Transport(descriptor: descriptor)
        defer { transport.close() }
        try wait(for: POLLOUT, descriptor)
        guard Dial.outcome(descriptor) == 0 else { throw Failure(description: "no daemon answers on \(address)") }
        let request = Buffer(capacity: 256 + body.count)
        request.append("\(verb.token ?? "GET") \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n")
        if verb != .get { request.append("Content-Length: \(body.count)\r\n") }
        if !body.isEmpty { request.append("Content-Type: application/json\r\n") }
        request.append("\r\n")
        request.append(body.span)
        while !request.isEmpty {
            switch transport.send(request) {
            case .moved: continue
            case .wouldBlock: try wait(for: POLLOUT, descriptor)
            case .ended, .failed: throw Failure(description: "the daemon on \(address) closed the connection")
            }
        }
        return try read(&transport, descriptor, verb)
    }

    private func read(
        _ transport: inout Transport, _ descriptor: Int32, _ verb: Verb
    ) throws(Failure) -> (status: UInt16, body: [UInt8]) {
        let input = Buffer(capacity: 16 << 10)
        while true {
            if let answer = try take(input, verb) { return answer }
            guard input.count < Self.mostBytes else { throw Failure(description: "the answer of \(address) is too long") }
            input.reserve(16 << 10)
            switch transport.receive(into: input) {
            case .moved: continue
            case .wouldBlock: try wait(for: POLLIN, descriptor)
            case .ended, .failed: throw Failure(description: "the answer of \(address) was cut short")
            }
        }
    }

    /// The status and the body, once the whole answer is there.
    private func take(_ input: Buffer, _ verb: Verb) throws(Failure) -> (status: UInt16, body: [UInt8])? {
        var head = ReplyHead()
        var framing = HTTP1Framing()
        var body = BodyFraming.none
        var parser = HTTP1ResponseParser()
        let limits = HTTP1Limits()
        let progress = input.withReadable { text in
            parser.parse(text, to: verb, into: &head, framing: &framing, body: &body, limits: limits)
        }
        guard case .complete(let start) = progress else {
            if case .failed = progress { throw Failure(description: "what answers on \(address) is no gateway") }
            return nil
        }
        var reader = HTTP1BodyReader(body)
        let status = head.status
        return input.withReadable { text in
            var out: [UInt8] = []
            var position = start
            while true {
                switch reader.next(text, at: &position, limits: limits) {
                case .data(let slice): out += text.extracting(slice.range).bytes
                case .trailer: continue
                case .end: return (status, out)
                case .needMore, .failed: return nil
                }
            }
        }
    }

    private func wait(for events: Int32, _ descriptor: Int32) throws(Failure) {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        guard poll(&entry, 1, Self.patienceMS) > 0 else {
            throw Failure(description: "the daemon on \(address) does not answer")
        }
    }
}

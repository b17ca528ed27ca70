import Exchanges
import Reactor
import Settings
import TLS
import WireHTTP

/// One active check: connects, asks if there is something to ask, and says whether all was well.
final class HealthProbe: Source {
    private let endpoint: Endpoint
    private let rule: Settings.Cluster.Health
    private let worker: Worker
    private let ended: (Bool) -> Void
    private var transport: Transport
    private var approach: Approach
    private var hasArrived = false
    private let output: Buffer
    private let input: Buffer
    /// What is asked over HTTP/2; nil = HTTP/1.1, or nothing is asked.
    private var question: HTTP2Question?
    private static let readsPerTurn = 16
    private var interimCount = 0

    /// Nil when not even a connect can be started; otherwise `ended` is called once, never from here.
    init?(_ endpoint: Endpoint, _ rule: Settings.Cluster.Health, worker: Worker, ended: @escaping (Bool) -> Void) {
        guard case .success(let descriptor) = Dial.start(endpoint.address) else { return nil }
        self.endpoint = endpoint
        self.rule = rule
        self.worker = worker
        self.ended = ended
        transport = Transport(descriptor: descriptor)
        approach = Approach(
            to: endpoint, worker: worker,
            required: endpoint.cluster.specification.wireProtocol == .http2 ? .http2 : nil)
        output = Buffer(pool: worker.loop.buffers)
        input = Buffer(pool: worker.loop.buffers)
        super.init()
        guard worker.loop.register(self, descriptor: descriptor) == 0 else {
            transport.close()
            return nil
        }
        worker.loop.setDeadline(self, afterMS: UInt64(rule.timeout))
    }

    func cancel() {
        question?.abandon()
        question = nil
        worker.loop.unregister(self)
        transport.close()
        for buffer in [input, output] {
            buffer.clear()
            buffer.giveBack()
        }
    }

    private func end(_ passed: Bool) {
        cancel()
        ended(passed)
    }

    override func deadlinePassed() { end(false) }

    override func ready(_ readiness: Readiness) {
        if !hasArrived {
            switch approach.advance(readiness, &transport) {
            case .waiting: return
            case .onward, .later: return worker.loop.again(self)
            case .failed: return end(false)
            case .arrived: hasArrived = true
            }
            switch rule.probe {
            case .tcp: return end(true)
            case .http(let path, _, let host) where endpoint.cluster.specification.wireProtocol == .http1: ask(path, host)
            case .http, .grpc: guard askByHTTP2() else { return end(false) }
            }
        }
        guard write() else { return end(false) }
        read()
    }

    // MARK: - Asking

    private func askByHTTP2() -> Bool {
        let question = HTTP2Question(
            rule.probe, settings: endpoint.cluster.http2, nowMS: worker.loop.nowMS, pool: worker.loop.buffers)
        self.question = question
        return question.ask(authority: endpoint.authority, isSecure: transport.layer != nil)
    }

    private func ask(_ path: String, _ host: String?) {
        output.append("GET " as StaticString)
        output.append(path)
        output.append(" HTTP/1.1\r\nHost: " as StaticString)
        if let host { output.append(host) } else { output.append(endpoint.authority) }
        output.append("\r\nUser-Agent: nexus-gateway health\r\nConnection: close\r\n\r\n" as StaticString)
    }

    /// False = the connection is gone.
    private func write() -> Bool {
        while true {
            if output.isEmpty { _ = question?.session.write(into: output, upTo: 16 * 1024) }
            if output.isEmpty { return true }
            switch transport.send(output) {
            case .moved: continue
            case .wouldBlock: return true
            case .ended, .failed: return false
            }
        }
    }

    // MARK: - The answer

    /// Reads until the head of the answer is whole; the parser bounds how much that may be. Not all at once:
    /// who answers without end must not hold up the worker until the check's time is over.
    private func read() {
        for _ in 0..<Self.readsPerTurn {
            input.reserve(1024)
            switch transport.receive(into: input) {
            case .moved:
                if let passed = judge() { return end(passed) }
            case .wouldBlock: return
            case .ended, .failed: return end(false)
            }
        }
        worker.loop.again(self)
    }

    /// Nil = more is to come.
    private func judge() -> Bool? {
        if let question {
            let isSound = input.withReadable { question.session.receive($0, nowMS: worker.loop.nowMS) }
            input.clear()
            if let verdict = question.verdict { return verdict }
            return isSound && write() ? nil : false
        }
        guard case .http(_, let expect, _) = rule.probe else { return false }
        while true {
            var parser = HTTP1ResponseParser()
            var framing = HTTP1Framing()
            var body = BodyFraming.none
            var head = worker.takeReply()
            defer { worker.giveReply(&head) }
            let progress = input.withReadable { text in
                parser.parse(
                    text, to: .get, into: &head, framing: &framing, body: &body, limits: endpoint.cluster.limits)
            }
            switch progress {
            case .needMore: return nil
            case .failed: return false
            case .complete(let length):
                if head.status >= 200 || head.status == 101 { return expect.contains(head.status) }
                interimCount += 1
                guard interimCount <= endpoint.cluster.limits.informational else { return false }
                input.consume(length)
                if input.isEmpty { return nil }
            }
        }
    }
}

import EventCore
import Reactor
import Topics

/// What a worker asks of the broker, and of the log for its MQTT clients. While one of them takes no more, requests stand
/// here in their order, and no connection reads another packet: so there are at most a few for each connection.
final class WaitingRequests: Source {
    private enum Request {
        case broker(BrokerRequest)
        case log(Submission)
    }

    private static let everyMS: UInt64 = 2

    private let shared: Shared
    private let loop: EventLoop
    private var requests: [Request] = []
    private var first = 0
    /// Connections that have more to read.
    private var held: [MQTTConnection] = []

    init(_ worker: Worker) {
        shared = worker.shared
        loop = worker.loop
        super.init()
        _ = loop.register(self, descriptor: nil)
    }

    var isEmpty: Bool { requests.isEmpty }

    func ask(_ request: BrokerRequest) {
        if !requests.isEmpty || !take(.broker(request)) { wait(.broker(request)) }
    }

    func ask(_ submission: Submission) {
        if !requests.isEmpty || !take(.log(submission)) { wait(.log(submission)) }
    }

    /// It goes on when all that waits has been taken.
    func hold(_ connection: MQTTConnection) { held.append(connection) }

    private func take(_ request: Request) -> Bool {
        switch request {
        case .broker(let request): shared.desks.broker?.submit(request) ?? true
        case .log(let submission): shared.core.submit(submission)
        }
    }

    private func wait(_ request: Request) {
        requests.append(request)
        if requests.count == 1 { loop.setDeadline(self, afterMS: Self.everyMS) }
    }

    override func deadlinePassed() {
        while first < requests.count {
            guard take(requests[first]) else {
                if first >= 1024 {
                    requests.removeFirst(first)
                    first = 0
                }
                return loop.setDeadline(self, afterMS: Self.everyMS)
            }
            first += 1
        }
        requests.removeAll()
        first = 0
        let held = self.held
        self.held.removeAll()
        for connection in held {
            connection.isHeldBack = false
            connection.goOn()
        }
    }
}

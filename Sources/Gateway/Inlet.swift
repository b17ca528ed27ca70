public import Exchanges
import Pipeline
import Reactor
import Synchronization
public import Topics

/// The way in for messages that no client of a listener has sent: those that are read from outside brokers. Each becomes an
/// exchange of a worker, and goes through the routes and stages of a listener's PUBLISH.
public final class Inlet: Sendable {
    private let mailboxes: [Mailbox<WorkerMessage>]
    private let turns = Atomic<Int>(0)

    init(_ mailboxes: [Mailbox<WorkerMessage>]) { self.mailboxes = mailboxes }

    /// Sends a message through the pipeline, from any thread. Messages whose order counts have to wait for each other.
    /// - Parameters:
    ///   - message: with QoS 0 or 1; its properties as MQTT 5 encodes them.
    ///   - isLast: a service that fails on it refuses it: it has failed on it often enough.
    /// - Returns: what came of it, once that is on disk where it has to be.
    public func take(_ message: Message, from source: MessageSource, isLast: Bool) async -> MessageEnding {
        await withCheckedContinuation { waiter in
            let ingestion = Ingestion(message, source, isLast: isLast, waiter)
            let first = turns.add(1, ordering: .relaxed).newValue & .max
            for i in mailboxes.indices where mailboxes[(first + i) % mailboxes.count].post(.ingest(ingestion)) { return }
            ingestion.answer(.later)
        }
    }
}

/// Where such messages come from.
public struct MessageSource: Sendable {
    /// As whom they come.
    public let principal: Principal
    /// What refused ones are kept under, in the place of a client identifier.
    public let name: [UInt8]
    let session: Session

    /// - Parameter listener: index into `Configuration.allListeners`: by whose routes they go.
    public init(principal: Principal, name: [UInt8], listener: UInt16) {
        self.principal = principal
        self.name = name
        session = Session(listener: listener, peer: (0, 0), peerText: [0x2d], trusted: false)
    }
}

/// What came of such a message.
public enum MessageEnding: Sendable, Equatable {
    /// Its effect is there, or was already.
    case taken
    /// It will not be taken: it has been kept for people, if it came with QoS 1 or is of no use in any form.
    case refused
    /// Nothing was done: the same message may be taken another time.
    case later
    /// The same, and a service has failed on it.
    case failed
}

/// A message between whoever waits for what comes of it and the worker that has it.
final class Ingestion: Sendable {
    let message: Message
    let source: MessageSource
    let isLast: Bool
    private let waiter: Mutex<CheckedContinuation<MessageEnding, Never>?>

    init(_ message: Message, _ source: MessageSource, isLast: Bool, _ waiter: CheckedContinuation<MessageEnding, Never>) {
        self.message = message
        self.source = source
        self.isLast = isLast
        self.waiter = Mutex(waiter)
    }

    /// The first answer counts.
    func answer(_ ending: MessageEnding) { waiter.withLock { $0.take() }?.resume(returning: ending) }
}

public import Exchanges
import Pipeline
import Reactor
import Synchronization
public import Topics

/// The way in for messages that no client of a listener has sent: those that are read from outside brokers. Each becomes an
/// exchange of a worker, and goes through the routes and stages of a listener's PUBLISH. Refused messages go in here once more.
public final class Inlet: Sendable {
    private let mailboxes: [Mailbox<WorkerMessage>]
    private let turns = Atomic<Int>(0)
    /// Their names, as the configuration has them.
    private let listeners: [String]

    init(_ mailboxes: [Mailbox<WorkerMessage>], listeners: [String]) {
        self.mailboxes = mailboxes
        self.listeners = listeners
    }

    /// Sends a message through the pipeline, from any thread. Messages whose order counts have to wait for each other.
    /// - Parameters:
    ///   - message: with QoS 0 or 1; its properties as MQTT 5 encodes them.
    ///   - isLast: a service that fails on it refuses it: it has failed on it often enough.
    /// - Returns: what came of it, once that is on disk where it has to be.
    public func take(_ message: Message, from source: MessageSource, isLast: Bool) async -> MessageEnding {
        await take(message, source, isLast: isLast, mark: 0).ending
    }

    /// Sends a refused message through the pipeline once more, as its sender's and by the listener that he came in by. It is not
    /// kept a second time. A command that it has led to under its mark is not carried out again.
    public func retry(_ refused: RefusedMessage) async -> RetryAnswer {
        let sender = KeptSender(owner: refused.owner, standing: refused.standing)
        guard let name = sender.listener, let listener = listeners.firstIndex(of: name) else {
            return RetryAnswer(.refused, MQTTEnding(Outcome(.noRoute, "the listener that it came in by is not there")))
        }
        let source = MessageSource(principal: sender.principal, name: refused.clientID, listener: UInt16(listener))
        return await take(refused.whole, source, isLast: false, mark: refused.mark)
    }

    private func take(_ message: Message, _ source: MessageSource, isLast: Bool, mark: UInt64) async -> RetryAnswer {
        await withCheckedContinuation { waiter in
            let ingestion = Ingestion(message, source, isLast: isLast, mark: mark, waiter)
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

/// What came of a refused message that was sent again.
public struct RetryAnswer: Sendable, Equatable {
    public var ending: MessageEnding
    /// The name in SPEC 26; empty when it was taken.
    public var code: String
    /// For people, on one line.
    public var reason: String

    init(_ ending: MessageEnding, _ why: MQTTEnding?) {
        self.ending = ending
        code = why.map { "\($0.outcome.code.name)" } ?? ""
        reason = why.map { String(decoding: $0.text, as: UTF8.self) } ?? ""
    }
}

/// A message between whoever waits for what comes of it and the worker that has it.
final class Ingestion: Sendable {
    let message: Message
    let source: MessageSource
    let isLast: Bool
    /// Of a refused message; 0 = it is none.
    let mark: UInt64
    private let waiter: Mutex<CheckedContinuation<RetryAnswer, Never>?>

    var isRetried: Bool { mark != 0 }

    init(
        _ message: Message, _ source: MessageSource, isLast: Bool, mark: UInt64, _ waiter: CheckedContinuation<RetryAnswer, Never>
    ) {
        self.message = message
        self.source = source
        self.isLast = isLast
        self.mark = mark
        self.waiter = Mutex(waiter)
    }

    /// The first answer counts.
    func answer(_ ending: MessageEnding, _ why: MQTTEnding? = nil) {
        waiter.withLock { $0.take() }?.resume(returning: RetryAnswer(ending, why))
    }
}

internal import CShim
import Synchronization
public import Threads

/// The border of a worker: a bounded queue that any thread may post to and one loop reads, with an
/// eventfd to wake it. A full mailbox refuses: that is back-pressure, never growth.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var closed = false
    }

    /// The eventfd the reading loop watches.
    let descriptor: Int32
    private let capacity: Int
    private let state = Mutex(State())

    public init(capacity: Int) throws(SystemError) {
        self.capacity = capacity
        descriptor = nx_eventfd()
        if descriptor < 0 { throw SystemError("eventfd") }
    }

    deinit { closeDescriptor(descriptor) }

    /// Posts one message; false = full or closed, nothing was taken.
    public func post(_ message: Message) -> Bool {
        put { $0.append(message) } extra: { 1 }
    }

    /// Posts all or nothing, in order; one wake-up.
    public func post(contentsOf batch: [Message]) -> Bool {
        put { $0.append(contentsOf: batch) } extra: { batch.count }
    }

    private func put(_ add: (inout [Message]) -> Void, extra: () -> Int) -> Bool {
        let wasEmpty: Bool? = state.withLock { state in
            guard !state.closed, state.messages.count + extra() <= capacity else { return nil }
            let first = state.messages.isEmpty
            add(&state.messages)
            return first
        }
        if wasEmpty == true { nx_eventfd_signal(descriptor) }
        return wasEmpty != nil
    }

    /// Takes everything that waits, in order. The reading loop only.
    public func take(into batch: inout [Message]) {
        nx_eventfd_clear(descriptor)
        state.withLock { swap(&$0.messages, &batch) }
    }

    /// Refuses from now on; what is inside can still be read.
    public func close() { state.withLock { $0.closed = true } }
}

/// The reading end of a mailbox on its loop.
public final class MailboxReader<Message: Sendable>: Source {
    private let mailbox: Mailbox<Message>
    private var batch: [Message] = []
    private let receive: (Message) -> Void

    /// Registers with `loop`; `receive` is called on its thread, once per message, in order.
    public init(_ mailbox: Mailbox<Message>, on loop: EventLoop, receive: @escaping (Message) -> Void)
        throws(SystemError)
    {
        self.mailbox = mailbox
        self.receive = receive
        super.init()
        let problem = loop.register(self, descriptor: mailbox.descriptor)
        if problem != 0 { throw SystemError("epoll_ctl", code: problem) }
    }

    public override func ready(_ readiness: Readiness) {
        mailbox.take(into: &batch)
        for message in batch { receive(message) }
        batch.removeAll(keepingCapacity: true)
    }
}

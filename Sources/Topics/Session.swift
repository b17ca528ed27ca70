import Exchanges
import WireMQTT

/// A message in memory, once for all that hold it.
final class MessageBody {
    let message: Message
    /// As the store has it; 0 = it has not.
    var number: UInt64
    /// Queues and topics in the store that need it.
    var storedHolders = 0
    /// Queues in memory that it stands in.
    var queues = 0

    init(_ message: Message, number: UInt64 = 0) {
        self.message = message
        self.number = number
    }
}

/// A message with QoS 1 or 2 in a session's queue.
struct QueueEntry {
    enum Stage: UInt8 {
        case waiting
        /// On this connection; its acknowledgement is awaited.
        case sent
        /// On an earlier connection: it has to be sent again.
        case sentBefore
        /// PUBREC has come, and PUBREL is on its way.
        case received
        /// PUBREC came on an earlier connection: PUBREL has to be sent again.
        case receivedBefore
    }

    let body: MessageBody
    /// Counts up in a session.
    let sequence: UInt64
    let identifiers: [UInt32]
    /// Through which shared subscription it came.
    var share: ShareGroup?
    let qos: QoS
    let retain: Bool
    var stage = Stage.waiting
    /// The store knows that it has been sent.
    var isRecorded = false

    /// By the sequence, and so the same after a restart even when it was not recorded that the message had been sent: a client that
    /// has it already with QoS 2 then knows it for a repetition.
    var packetID: UInt16 { UInt16(truncatingIfNeeded: (sequence - 1) % 65_535 + 1) }

    /// Bytes that it adds to a queue, beside the message's own.
    static let cost = 64
}

/// A message with QoS 0 for a connection.
struct DirectEntry {
    let message: Message
    let retain: Bool
    let identifiers: [UInt32]
}

/// A client's session (section 4.1), of which the broker's thread alone knows.
final class Session {
    let number: UInt64
    let clientID: [UInt8]
    let holder: Holder
    let incarnation: UInt64
    /// Seconds, bounded.
    var sessionExpiry: UInt32
    /// Its connection; nil = it has none.
    var ticket: Ticket?
    /// Of its last connection; nil = it has had none in this process.
    var worker: UInt16?
    var receiveMaximum: UInt16 = .max
    /// The connection takes no more for now.
    var isHeld = false
    /// It stands in the list of those that may have something to send.
    var isReady = false
    /// The store has it.
    var isStored = false
    /// It has ended, and nothing leads to it but what is older.
    var isOver = false
    /// Wall clock milliseconds of its last connection's end; 0 = it has one.
    var leftMS: UInt64 = 0
    /// Monotonic milliseconds at which it ends; `.max` = it is connected.
    var endsAt = UInt64.max
    /// Monotonic milliseconds at which its will is due; `.max` = never, as long as it is connected.
    var willAt = UInt64.max
    var will: Will?
    var held: [HeldSubscription] = []
    /// Of messages with QoS 2 from the client, until their PUBREL.
    var incoming: Set<UInt16> = []

    /// Sent and not settled, in the order of their sequence.
    var inFlight: [QueueEntry] = []
    /// Of these, what went out on this connection.
    var active: UInt16 = 0
    var waiting = Fifo<QueueEntry>()
    var direct: [DirectEntry] = []
    var nextSequence: UInt64 = 1
    /// Of the queue: all that is in flight or waits.
    var queuedBytes = 0
    /// Which publish it was last found for, and where in the list of hits.
    var hitSerial: UInt64 = 0
    var hitIndex: Int32 = 0

    init(number: UInt64, clientID: [UInt8], holder: Holder, incarnation: UInt64, sessionExpiry: UInt32) {
        self.number = number
        self.clientID = clientID
        self.holder = holder
        self.incarnation = incarnation
        self.sessionExpiry = sessionExpiry
    }

    var owner: [UInt8] { holder.owner }
    var isConnected: Bool { ticket != nil }
    var queued: Int { inFlight.count + waiting.count }

    var stored: StoredSession {
        StoredSession(
            number: number, clientID: clientID, owner: owner, incarnation: incarnation, sessionExpiry: sessionExpiry,
            leftMS: leftMS, will: will)
    }
}

/// First in, first out, in one array.
struct Fifo<Element> {
    private var items: [Element?] = []
    private var head = 0

    var count: Int { items.count - head }
    var isEmpty: Bool { head == items.count }
    var first: Element? { isEmpty ? nil : items[head] }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func removeFirst() {
        items[head] = nil
        head += 1
        if head == items.count {
            // An idle queue keeps no memory.
            if items.capacity > 64 { items = [] } else { items.removeAll(keepingCapacity: true) }
            head = 0
        } else if head >= 64 && head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }

    /// Takes out those that pass, in order.
    mutating func extract(_ passes: (Element) -> Bool) -> [Element] {
        var taken: [Element] = []
        var kept: [Element?] = []
        for item in items[head...] {
            guard let item else { continue }
            if passes(item) { taken.append(item) } else { kept.append(item) }
        }
        if !taken.isEmpty {
            items = kept
            head = 0
        }
        return taken
    }

    mutating func removeAll() -> [Element] {
        let all = items[head...].compactMap { $0 }
        items = []
        head = 0
        return all
    }

    var all: [Element] { items[head...].compactMap { $0 } }

    /// Those that pass, in order, found as they are asked for.
    func each(_ passes: @escaping (Element) -> Bool) -> some Sequence<Element> {
        items[head...].lazy.compactMap { $0 }.filter(passes)
    }
}

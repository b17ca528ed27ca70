import Contracts
import EventCore
import Exchanges
import Gateway
import Synchronization
import Topics

/// Refused messages that are sent through the pipeline once more, each by one caller at a time.
final class RefusedRetries: Sendable {
    /// At a time.
    private static let most = 64

    private let broker: Broker
    private let core: EventLog
    private let underWay = Mutex<Set<UInt64>>([])
    private let inlet = Mutex<Inlet?>(nil)

    init(broker: Broker, core: EventLog) {
        self.broker = broker
        self.core = core
    }

    /// The workers run.
    func begin(_ inlet: Inlet) { self.inlet.withLock { $0 = inlet } }

    /// - Returns: false when somebody else has it, or too many are under way.
    func enter(_ number: UInt64) -> Bool {
        underWay.withLock { $0.count < Self.most && $0.insert(number).inserted }
    }

    func leave(_ number: UInt64) { underWay.withLock { _ = $0.remove(number) } }

    /// It leaves the list when it is settled, and only then. Killed between the two, the log still knows under the message's own mark
    /// that its command was carried out; the mark goes last.
    func retry(_ entry: RefusedEntry) async -> AdminAnswer {
        guard !entry.message.isCut, entry.message.mark != 0 else {
            return AdminAnswer(409, "not all of it was kept: it can be shown, and dropped")
        }
        guard let inlet = inlet.withLock({ $0 }) else { return AdminAnswer(503, "the workers have not begun") }
        let answer = await inlet.retry(entry.message)
        guard answer.ending == .taken else { return Self.say(answer) }
        guard await broker.forgetRefused(entry.number) else {
            return AdminAnswer(503, "it was taken, and could not be taken off the list; try again")
        }
        // Where that fails, the next start does it.
        _ = try? await core.ask(.forgetDeliveries(session: entry.message.mark))
        return Self.say(answer)
    }

    private static func say(_ answer: RetryAnswer) -> AdminAnswer {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("result")
        switch answer.ending {
        case .taken: json.string("taken")
        case .refused: json.string("refused")
        case .later, .failed: json.string("later")
        }
        if answer.ending != .taken {
            json.name("code")
            json.string(answer.code)
            json.name("reason")
            json.string(answer.reason)
        }
        json.endObject()
        return AdminAnswer(body: json.sink)
    }
}

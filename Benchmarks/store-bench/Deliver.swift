import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

/// One device: it sends messages 0, 1, 2 …, each until it is answered, eight at a time.
private struct Device {
    /// Messages answered (PUBACK, PUBREC), and those released (PUBCOMP). Answers come in order.
    var answered: Int
    var released: Int
    /// Messages handed in by this process.
    var sent: Int
    /// What it had sent, perhaps, before this process.
    let before: Int
}

private let window = 8

/// Keeps the log busy with messages of devices, half of them with QoS 1 and half with QoS 2, some sent twice; writes a line
/// for every answer: `a SESSION NUMBER` when it was taken, `c SESSION NUMBER` when it was released.
///
/// `PATH.devices` says where each device was when the process before this one ended: `ANSWERED RELEASED` a line.
func deliverUntilKilled(path: String) throws {
    let store = try SQLiteEventStore(path: path)
    let devices = Mutex(readDevices(path + ".devices"))
    let bell = Bell()
    let log = try EventLog(store: store, options: .init(group: 64, aggregates: 20)) { _, replies in
        var lines = ""
        devices.withLock { devices in
            for reply in replies {
                let (session, number, isRelease) = taken(reply.ticket.slot)
                switch (reply.outcome, isRelease) {
                case (.accepted, false), (.delivered, false):
                    // The second answer to what was sent twice says nothing new.
                    guard number == devices[session].answered % 512 else { continue }
                    lines += "a \(session) \(devices[session].answered)\n"
                    devices[session].answered += 1
                case (.releasedDelivery, true):
                    guard number == devices[session].released % 512 else { continue }
                    lines += "c \(session) \(devices[session].released)\n"
                    devices[session].released += 1
                default: lines += "? \(reply.outcome)\n"
                }
            }
        }
        _ = lines.utf8.withContiguousStorageIfAvailable { write(1, $0.baseAddress, $0.count) }
        bell.ring()
    }
    // PUBREL of what had been answered comes first.
    for (session, device) in devices.withLock({ $0 }).enumerated() where session % 2 == 1 {
        for number in device.released..<max(device.released, device.answered) { _ = log.submit(release(session, number)) }
    }
    var releasing = devices.withLock { $0.map(\.answered) }
    while true {
        for session in 0..<devices.withLock({ $0.count }) {
            var device = devices.withLock { $0[session] }
            if session % 2 == 1 {
                while releasing[session] < device.answered {
                    _ = log.submit(release(session, releasing[session]))
                    releasing[session] += 1
                }
            }
            let done = session % 2 == 1 ? device.released : device.answered
            while device.sent < done + window {
                guard let message = message(session, device.sent, isResent: device.sent < device.before) else { return }
                guard log.submit(message) else { break }
                if Int.random(in: 0..<10) == 0 {
                    var again = message
                    again.delivery?.isResent = true
                    _ = log.submit(again)
                }
                device.sent += 1
            }
            let sent = device.sent
            devices.withLock { $0[session].sent = sent }
        }
        bell.wait()
    }
}

private func readDevices(_ path: String) -> [Device] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var devices: [Device] = []
    var line = [CChar](repeating: 0, count: 128)
    while fgets(&line, 128, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let numbers = text.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { continue }
        devices.append(Device(answered: numbers[0], released: numbers[1], sent: numbers[0], before: numbers[0] + window))
    }
    return devices
}

private func slot(_ session: Int, _ number: Int, isRelease: Bool) -> UInt32 {
    UInt32(session * 1024 + number % 512 * 2 + (isRelease ? 1 : 0))
}

private func taken(_ slot: UInt32) -> (session: Int, number: Int, isRelease: Bool) {
    (Int(slot) / 1024, Int(slot) % 1024 / 2, slot % 2 == 1)
}

private func message(_ session: Int, _ number: Int, isResent: Bool) -> Submission? {
    guard let user = Identifier("device-\(session)"), let product = Identifier("p\(number % 7)") else { return nil }
    return Submission(
        ticket: Ticket(worker: 0, slot: slot(session, number, isRelease: false), generation: 0),
        work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any),
        metadata: Metadata(correlationId: "\(session)/\(number)"),
        delivery: DeliveryMark(
            session: UInt64(session), packetID: packetID(number), isExactlyOnce: session % 2 == 1, isResent: isResent,
            // Many messages are alike.
            fingerprint: UInt64(number % 3), window: UInt16(window)))
}

private func release(_ session: Int, _ number: Int) -> Submission {
    Submission(
        ticket: Ticket(worker: 0, slot: slot(session, number, isRelease: true), generation: 0),
        work: .releaseDelivery(session: UInt64(session), packetID: packetID(number)))
}

private func packetID(_ number: Int) -> UInt16 { UInt16(number % 65_535 + 1) }

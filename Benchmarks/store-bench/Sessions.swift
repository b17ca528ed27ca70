import Glibc
import Stores
import Topics
import WireMQTT

/// Commits a message in a queue, and one that leaves it for another or for good, and writes a line after each: the message's
/// number. The crash tests kill it.
func commitSessionsUntilKilled(path: String) throws {
    let store = try SQLiteSessionStore(path: path)
    var number: UInt64 = 0
    try store.load { if case .message(let found, _) = $0 { number = max(number, found) } }
    while true {
        number += 1
        let message = Message(topic: Array("t/\(number)".utf8), payload: Array("\(number)".utf8), qos: .atLeastOnce)
        var changes: [SessionChange] = [
            .message(number: number, message),
            .queue(session: 1, sequence: number, message: number, qos: .atLeastOnce, retain: false, identifiers: []),
        ]
        if number > 10 {
            changes += [
                .done(session: 1, sequence: number - 10),
                .queue(session: 2, sequence: number - 10, message: number - 10, qos: .atLeastOnce, retain: false, identifiers: []),
            ]
        }
        if number > 20 { changes += [.done(session: 2, sequence: number - 20), .forgetMessage(number: number - 20)] }
        try store.commit(changes)
        let line = Array("\(number)\n".utf8)
        _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}

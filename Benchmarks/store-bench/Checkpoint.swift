import EventCore
import Glibc
import Stores

/// Commits checkpoints with two rows each that say the same, and writes a line after each: its position. The crash
/// tests kill it.
func checkpointUntilKilled(path: String) throws {
    let store = try SQLiteConsumerStore(path: path)
    var position = try store.checkpoint(of: "crash")
    while true {
        position += 1
        let value = Array("\(position)".utf8)
        let rows = ["a", "b"].map { RowChange.put(ConsumerRow(key: $0, value: value)) }
        try store.commit("crash", through: position, rows)
        let line = value + [UInt8(ascii: "\n")]
        _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}

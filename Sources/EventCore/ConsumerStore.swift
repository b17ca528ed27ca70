/// What consumers of the log remember (SPEC B-4): how far each has come, and rows of its own, changed together.
/// May lose the latest commits in a power failure, never part of one: whoever reads again from an older
/// checkpoint finds the rows that belong to it. Safe from any thread.
public protocol ConsumerStore: Sendable {
    /// Position of the last event that the consumer has dealt with; 0 at first.
    func checkpoint(of consumer: String) throws(StoreError) -> UInt64
    /// Rows with `key` > `after`, in order of their keys (by bytes), `limit` at most.
    func rows(of consumer: String, after: String?, limit: Int) throws(StoreError) -> [ConsumerRow]
    func row(_ key: String, of consumer: String) throws(StoreError) -> ConsumerRow?
    /// All of it or nothing. The checkpoint never goes back.
    func commit(_ consumer: String, through position: UInt64, _ changes: [RowChange]) throws(StoreError)
}

public struct ConsumerRow: Sendable, Equatable {
    /// At most 512 bytes.
    public var key: String
    /// At most 1 MiB.
    public var value: [UInt8]

    public init(key: String, value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

public enum RowChange: Sendable {
    case put(ConsumerRow)
    case delete(key: String)
}

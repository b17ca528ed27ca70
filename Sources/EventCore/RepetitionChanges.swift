import Exchanges

/// What an append does to the records, in the transaction of its events.
///
/// There is a record for each request with a key, so none of them is an object of its own: they stand packed one after the
/// other (`RepetitionRecord.init(packed:at:position:)`), and a store may take them as they are.
public struct RepetitionChanges: Sendable {
    /// Position of the first record; the others follow without gaps. 0 = there are none.
    public private(set) var first: UInt64 = 0
    /// Where in `packed` each record ends.
    public private(set) var ends: [Int] = []
    /// The records, and behind the last one's end room for more.
    public private(set) var packed: [UInt8] = []
    /// Records up to this position are past their window, and go; 0 = none.
    public var forgetsThrough: UInt64

    /// Bytes that are kept for the next group.
    private static let mostKept = 1 << 20

    /// - Parameter records: without gaps between their positions.
    public init(_ records: [RepetitionRecord] = [], forgetsThrough: UInt64 = 0) {
        self.forgetsThrough = forgetsThrough
        for record in records { append(record) }
    }

    public var count: Int { ends.count }
    public var isEmpty: Bool { ends.isEmpty && forgetsThrough == 0 }
    /// Position of the last record; nil when there is none.
    public var last: UInt64? { ends.isEmpty ? nil : first + UInt64(ends.count) - 1 }

    /// One by one, for stores that keep them so.
    public var records: [RepetitionRecord] { ends.indices.compactMap { self[$0] } }

    subscript(i: Int) -> RepetitionRecord? {
        RepetitionRecord(packed: packed, at: i == 0 ? 0 : ends[i - 1], position: first + UInt64(i))
    }

    private mutating func append(_ record: RepetitionRecord) {
        let place = append(
            record.position, record.identity, record.fingerprint, record.time, record.kind, outcomeBytes: record.outcome.count)
        for i in record.outcome.indices { packed[place + i] = record.outcome[i] }
    }

    mutating func append(
        _ position: UInt64, _ key: RepeatKey, _ kind: RepetitionRecord.Kind, _ outcome: [UInt8], at time: Timestamp
    ) {
        let place = append(position, key.identity, key.fingerprint, time, kind, outcomeBytes: outcome.count)
        for i in outcome.indices { packed[place + i] = outcome[i] }
    }

    mutating func append(_ position: UInt64, _ key: RepeatKey, _ accepted: Accepted, at time: Timestamp) {
        let place = append(position, key.identity, key.fingerprint, time, .accepted, outcomeBytes: accepted.packedBytes)
        accepted.pack(into: &packed, at: place)
    }

    /// All of a record but its outcome.
    /// - Returns: where the outcome goes.
    private mutating func append(
        _ position: UInt64, _ identity: RepeatKey.Digest, _ fingerprint: RepeatKey.Digest, _ time: Timestamp,
        _ kind: RepetitionRecord.Kind, outcomeBytes: Int
    ) -> Int {
        let start = ends.last ?? 0
        let outcome = start + RepetitionRecord.headBytes
        if ends.isEmpty { first = position }
        ends.append(outcome + outcomeBytes)
        let missing = outcome + outcomeBytes - packed.count
        if missing > 0 { packed.append(contentsOf: repeatElement(0, count: max(missing, packed.count, 4096))) }
        var span = packed.mutableSpan
        var bytes = span.mutableBytes
        bytes.storeBytes(of: identity.high.littleEndian, toByteOffset: start, as: UInt64.self)
        bytes.storeBytes(of: identity.low.littleEndian, toByteOffset: start + 8, as: UInt64.self)
        bytes.storeBytes(of: fingerprint.high.littleEndian, toByteOffset: start + 16, as: UInt64.self)
        bytes.storeBytes(of: fingerprint.low.littleEndian, toByteOffset: start + 24, as: UInt64.self)
        bytes.storeBytes(of: time.microseconds.littleEndian, toByteOffset: start + 32, as: Int64.self)
        bytes.storeBytes(of: kind.rawValue, toByteOffset: start + 40, as: UInt8.self)
        bytes.storeBytes(of: UInt32(outcomeBytes).littleEndian, toByteOffset: start + 41, as: UInt32.self)
        return outcome
    }

    mutating func removeAll() {
        first = 0
        forgetsThrough = 0
        ends.removeAll(keepingCapacity: true)
        if packed.count > Self.mostKept { packed = [] }
    }
}

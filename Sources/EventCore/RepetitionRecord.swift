public import Exchanges

/// What is kept of a request, to know its repetitions (SPEC 4). Append-only: a later record of the same identity says
/// how the one before it went on.
public struct RepetitionRecord: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        /// A command of the core was accepted: `outcome` is an `Accepted`.
        case accepted = 1
        /// An upstream is about to be asked. The record's position is the fence of whoever asks.
        case reserved = 2
        /// An upstream has answered: `outcome` is a `StoredAnswer`.
        case answered = 3
        /// An upstream has answered something that is not kept.
        case unrepeatable = 4
        /// Nothing has happened after all: the key is free.
        case released = 5
    }

    /// Counts up from 1, without gaps.
    public var position: UInt64
    public var identity: RepeatKey.Digest
    public var fingerprint: RepeatKey.Digest
    public var time: Timestamp
    public var kind: Kind
    public var outcome: [UInt8]

    public init(
        position: UInt64, identity: RepeatKey.Digest, fingerprint: RepeatKey.Digest, time: Timestamp, kind: Kind,
        outcome: [UInt8] = []
    ) {
        self.position = position
        self.identity = identity
        self.fingerprint = fingerprint
        self.time = time
        self.kind = kind
        self.outcome = outcome
    }
}

extension RepetitionRecord {
    /// Of a packed record all but its outcome: identity and fingerprint (the high half first), time, kind, and the length of
    /// the outcome (4 bytes). Numbers are little-endian.
    public static let headBytes = 45

    /// Bytes of the record that begins at a place; nil when there is no whole one.
    public static func packedBytes(_ bytes: [UInt8], at place: Int) -> Int? {
        guard bytes.count - place >= headBytes, Kind(rawValue: bytes[place + 40]) != nil,
            case let length = Int(bytes.littleEndian(at: place + 41, bytes: 4)), bytes.count - place - headBytes >= length
        else { return nil }
        return headBytes + length
    }

    /// Nil when there is no whole record at the place.
    public init?(packed bytes: [UInt8], at place: Int, position: UInt64) {
        guard let length = Self.packedBytes(bytes, at: place), let kind = Kind(rawValue: bytes[place + 40]) else { return nil }
        func digest(_ place: Int) -> RepeatKey.Digest {
            RepeatKey.Digest(high: bytes.littleEndian(at: place, bytes: 8), low: bytes.littleEndian(at: place + 8, bytes: 8))
        }
        self.init(
            position: position, identity: digest(place), fingerprint: digest(place + 16),
            time: Timestamp(microseconds: Int64(bitPattern: bytes.littleEndian(at: place + 32, bytes: 8))), kind: kind,
            outcome: Array(bytes[place + Self.headBytes..<place + length]))
    }
}

extension [UInt8] {
    fileprivate func littleEndian(at place: Int, bytes: Int) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<bytes { value |= UInt64(self[place + i]) << UInt64(8 * i) }
        return value
    }
}

/// How much is remembered.
public struct RepetitionLimits: Sendable, Equatable {
    /// Microseconds that a record counts for.
    public var window: Int64
    /// Records within the window; more requests with a key of their own are refused.
    public var records: Int
    /// Microseconds that an upstream has to answer, before its answer is taken for lost.
    public var lease: Int64
    /// Records of one principal; more are refused him.
    public var ofOne: Int
    /// Records of all those together whom nobody knows.
    public var ofUnknown: Int

    /// - Parameter ofOne, ofUnknown: nil = all.
    public init(
        window: Int64 = 24 * 3600 * 1_000_000, records: Int = 1_000_000, lease: Int64 = 60_000_000, ofOne: Int? = nil,
        ofUnknown: Int? = nil
    ) {
        self.ofOne = max(1, ofOne ?? records)
        self.ofUnknown = max(1, ofUnknown ?? records)
        self.lease = max(1, lease)
        self.window = max(1, window)
        self.records = max(1, records)
    }
}

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

/// What an append does to the records, in the transaction of its events.
public struct RepetitionChanges: Sendable, Equatable {
    public var records: [RepetitionRecord]
    /// Records up to this position are past their window, and go; 0 = none.
    public var forgetsThrough: UInt64

    public init(_ records: [RepetitionRecord] = [], forgetsThrough: UInt64 = 0) {
        self.records = records
        self.forgetsThrough = forgetsThrough
    }

    public var isEmpty: Bool { records.isEmpty && forgetsThrough == 0 }
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

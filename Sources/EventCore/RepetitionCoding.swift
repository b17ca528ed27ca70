import Exchanges

/// Outcomes as records keep them: a few bytes, from which the answer is made again. Numbers are little-endian.
extension Accepted {
    /// Version (8 bytes), length of the id (1), id, 16 bytes an event id.
    var recorded: [UInt8] {
        let id = aggregateId.bytes
        // One for each request with a key: the bytes are put in their places, not appended one by one.
        var bytes = [UInt8](repeating: 0, count: 9 + id.count + 16 * eventIds.count)
        var span = bytes.mutableSpan
        span.put(littleEndian: version, at: 0)
        span[8] = UInt8(id.count)
        for i in id.indices { span[9 + i] = id[i] }
        var place = 9 + id.count
        for id in eventIds {
            span.put(littleEndian: id.high, at: place)
            span.put(littleEndian: id.low, at: place + 8)
            place += 16
        }
        return bytes
    }

    /// Nil when the bytes are no such outcome.
    init?(recorded bytes: [UInt8]) {
        var rest = bytes[...]
        guard let version = rest.takeLittleEndian(8), let length = rest.popFirst(), rest.count >= Int(length),
            let id = Identifier(Array(rest.prefix(Int(length))))
        else { return nil }
        rest = rest.dropFirst(Int(length))
        guard rest.count % 16 == 0 else { return nil }
        var ids: [EventId] = []
        while let high = rest.takeLittleEndian(8), let low = rest.takeLittleEndian(8) {
            ids.append(EventId(high: high, low: low))
        }
        self.init(aggregateId: id, version: version, eventIds: ids)
    }
}

extension StoredAnswer {
    /// Status (2 bytes), gRPC status and 1 (5; 0 = none), length of the fields (4), of the trailers and 1 (4; 0 = none), and
    /// these and the body.
    var recorded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 + count)
        bytes.append(littleEndian: UInt64(status), bytes: 2)
        bytes.append(littleEndian: grpcStatus.map { UInt64($0) + 1 } ?? 0, bytes: 5)
        bytes.append(littleEndian: UInt64(fields.count), bytes: 4)
        bytes.append(littleEndian: trailers.map { UInt64($0.count) + 1 } ?? 0, bytes: 4)
        return bytes + fields + (trailers ?? []) + body
    }

    /// Nil when the bytes are no such answer.
    init?(recorded bytes: [UInt8]) {
        var rest = bytes[...]
        guard let status = rest.takeLittleEndian(2), let grpc = rest.takeLittleEndian(5), let fields = rest.takeLittleEndian(4),
            let trailers = rest.takeLittleEndian(4), rest.count >= Int(fields) + Int(max(trailers, 1)) - 1
        else { return nil }
        let body = rest.dropFirst(Int(fields) + Int(max(trailers, 1)) - 1)
        self.init(
            status: UInt16(status), fields: Array(rest.prefix(Int(fields))), body: Array(body),
            trailers: trailers == 0 ? nil : Array(rest.dropFirst(Int(fields)).prefix(Int(trailers) - 1)),
            grpcStatus: grpc == 0 ? nil : UInt32(truncatingIfNeeded: grpc - 1))
    }
}

extension MutableSpan<UInt8> {
    /// Eight bytes.
    fileprivate mutating func put(littleEndian value: UInt64, at place: Int) {
        for i in 0..<8 { self[place + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * i)) }
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: UInt64, bytes: Int) {
        for i in 0..<bytes { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
    }
}

extension ArraySlice<UInt8> {
    /// Nil, and nothing is taken, when there are fewer.
    mutating func takeLittleEndian(_ bytes: Int) -> UInt64? {
        guard count >= bytes else { return nil }
        let value = prefix(bytes).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        removeFirst(bytes)
        return value
    }
}

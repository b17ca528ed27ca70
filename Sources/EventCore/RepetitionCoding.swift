import Exchanges

/// Outcomes as records keep them: a few bytes, from which the answer is made again. Numbers are little-endian.
extension Accepted {
    /// Version (8 bytes), length of the id (1), id, 16 bytes an event id.
    var packedBytes: Int { 9 + aggregateId.bytes.count + 16 * eventIds.count }

    /// One for each request with a key: whole words are put in their places, where room for `packedBytes` has been made.
    func pack(into packed: inout [UInt8], at start: Int) {
        let id = aggregateId.bytes
        var span = packed.mutableSpan
        var bytes = span.mutableBytes
        bytes.storeBytes(of: version.littleEndian, toByteOffset: start, as: UInt64.self)
        bytes.storeBytes(of: UInt8(id.count), toByteOffset: start + 8, as: UInt8.self)
        var place = start + 9
        for byte in id {
            bytes.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
            place += 1
        }
        for id in eventIds {
            bytes.storeBytes(of: id.high.littleEndian, toByteOffset: place, as: UInt64.self)
            bytes.storeBytes(of: id.low.littleEndian, toByteOffset: place + 8, as: UInt64.self)
            place += 16
        }
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

/// The two messages of `grpc.health.v1.Health/Check` (the gRPC health checking protocol), on the wire:
/// a five byte prefix, then protobuf.
enum GRPCHealth {
    static let path: StaticString = "/grpc.health.v1.Health/Check"
    /// Bytes of an answer that are looked at; a real one has seven.
    static let most = 1024

    /// `HealthCheckRequest { string service = 1; }`
    /// - Parameter service: at most 127 bytes, so that its length is one byte; empty = the whole server.
    static func request(_ service: String) -> [UInt8] {
        let name = Array(service.utf8)
        let message = name.isEmpty ? [] : [0x0a, UInt8(truncatingIfNeeded: name.count)] + name
        return [0, 0, 0, 0, UInt8(truncatingIfNeeded: message.count)] + message
    }

    /// `HealthCheckResponse { ServingStatus status = 1; }`: is it SERVING (1)? Exactly one uncompressed
    /// message; anything else is no.
    static func isServing(_ body: [UInt8]) -> Bool {
        guard body.count >= 5, body[0] == 0 else { return false }
        let length = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard length == body.count - 5 else { return false }
        var at = 5
        var status: UInt64 = 0
        while at < body.count {
            guard let key = varint(body, &at) else { return false }
            switch key & 7 {
            case 0:
                guard let value = varint(body, &at) else { return false }
                if key >> 3 == 1 { status = value }
            case 1: at += 8
            case 2:
                guard let size = varint(body, &at), size <= UInt64(body.count) else { return false }
                at += Int(size)
            case 5: at += 4
            default: return false
            }
            if at > body.count { return false }
        }
        return status == 1
    }

    private static func varint(_ body: [UInt8], _ at: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < body.count else { return nil }
            let byte = body[at]
            at += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}

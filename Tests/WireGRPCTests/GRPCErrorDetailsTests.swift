import Exchanges
import Testing
import WireGRPC

@Suite struct GRPCErrorDetailsTests {
    @Test func theBytesOnTheWire() {
        var details = GRPCErrorDetails()
        #expect(details.encoded(.notFound, message: Array("no".utf8)) == [0x08, 5, 0x12, 2, 0x6e, 0x6f])
        details.retryAfterMS = 1500
        let any = Array("type.googleapis.com/google.rpc.RetryInfo".utf8)
        let delay: [UInt8] = [0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]
        let info: [UInt8] = [0x0a, 8] + delay
        let expected: [UInt8] =
            [0x08, 8, 0x1a, UInt8(2 + any.count + 2 + info.count), 0x0a, UInt8(any.count)] + any + [0x12, 10] + info
        #expect(details.encoded(.resourceExhausted, message: []) == expected)
    }

    @Test func violations() {
        var details = GRPCErrorDetails()
        details.violations = [("/item/quantity", "must be positive"), ("", "x")]
        let text = details.encoded(.invalidArgument, message: [])
        #expect(text.firstRange(of: Array("google.rpc.BadRequest".utf8)) != nil)
        #expect(text.firstRange(of: [0x0a, 14] + Array("/item/quantity".utf8) + [0x12, 16] + Array("must be positive".utf8)) != nil)
    }

    @Test func trailersAreLines() {
        let out = Buffer(capacity: 64)
        GRPCTrailers.append(GRPCStatus(rawValue: 400), message: Array("50% ä".utf8).span, to: out)
        #expect(String(decoding: out.copyReadable(), as: UTF8.self) == "grpc-status: 400\r\ngrpc-message: 50%25 %C3%A4\r\n")
        out.clear()
        GRPCTrailers.append(.ok, message: [UInt8]().span, to: out)
        #expect(String(decoding: out.copyReadable(), as: UTF8.self) == "grpc-status: 0\r\n")
    }
}

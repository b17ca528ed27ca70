import Testing
import WireGRPC

@Suite struct GRPCErrorDetailsReadingTests {
    private var encoded: [UInt8] {
        var details = GRPCErrorDetails()
        details.reason = Array("VALIDATION_ERROR".utf8)
        details.violations = [("a.b", "is wrong"), ("c", "")]
        details.retryAfterMS = 1500
        return details.encoded(.invalidArgument, message: Array("no".utf8))
    }

    @Test func whatIsWrittenIsRead() {
        let packed = GRPCErrorDetails.packed(in: encoded)
        #expect(packed.map(\.type) == ["google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RetryInfo"])
        let violations = GRPCErrorDetails.violations(in: encoded)
        #expect(violations.map(\.field) == ["a.b", "c"] && violations.map(\.description) == ["is wrong", ""])
    }

    @Test func whatIsBrokenEndsTheList() {
        #expect(GRPCErrorDetails.packed(in: []).isEmpty && GRPCErrorDetails.violations(in: [0xff, 0xff]).isEmpty)
        for end in encoded.indices { _ = GRPCErrorDetails.violations(in: Array(encoded[..<end])) }
        let many = (0..<1000).flatMap { _ in [3 << 3 | 2, 0] as [UInt8] }
        #expect(GRPCErrorDetails.packed(in: many).count == 64)
    }
}

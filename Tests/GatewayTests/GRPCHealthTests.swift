import Seeded
import Testing

@testable import Gateway

struct GRPCHealthTests {
    @Test func theQuestion() {
        #expect(GRPCHealth.request("") == [0, 0, 0, 0, 0])
        #expect(GRPCHealth.request("a.B") == [0, 0, 0, 0, 5, 0x0a, 3] + Array("a.B".utf8))
    }

    @Test func servingIsOneAndNothingElse() {
        #expect(GRPCHealth.isServing([0, 0, 0, 0, 2, 8, 1]))
        for status in [0, 2, 3, 127] as [UInt8] { #expect(!GRPCHealth.isServing([0, 0, 0, 0, 2, 8, status])) }
        #expect(!GRPCHealth.isServing([0, 0, 0, 0, 0]))
        // Unknown fields are passed over; the last status counts.
        #expect(GRPCHealth.isServing([0, 0, 0, 0, 10, 0x12, 1, 7, 0x18, 0x80, 1, 8, 3, 8, 1]))
    }

    @Test func whatIsNoMessageIsNo() {
        let good: [UInt8] = [0, 0, 0, 0, 2, 8, 1]
        for n in 0..<good.count { #expect(!GRPCHealth.isServing(Array(good.prefix(n)))) }
        #expect(!GRPCHealth.isServing([1, 0, 0, 0, 2, 8, 1]) && !GRPCHealth.isServing(good + [0]))
        #expect(!GRPCHealth.isServing([0, 0, 0, 0, 3, 0x12, 0xff, 1]) && !GRPCHealth.isServing([0, 0, 0, 0, 1, 0x0b]))
        #expect(!GRPCHealth.isServing([0, 0, 0, 0, 11] + Array(repeating: 0xff, count: 11)))
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func anyBytesAreSafe(_ seed: UInt64) {
        var random = Seeded(state: seed)
        for _ in 0..<20_000 {
            let message = (0..<random.count(0...24)).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = GRPCHealth.isServing([0, 0, 0, 0, UInt8(message.count)] + message)
        }
    }
}

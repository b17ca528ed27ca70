import Exchanges
import Testing
import WireGRPC

@Suite struct GRPCStatusTests {
    /// The column gRPC of SPEC 26, row by row.
    static let table: [(Code, UInt32)] = [
        (.ok, 0), (.accepted, 0), (.validationError, 3), (.idempotencyKeyRequired, 3), (.idempotencyKeyReused, 9),
        (.requestInProgress, 10), (.unauthenticated, 16), (.forbidden, 7), (.notFound, 5), (.noRoute, 12),
        (.methodNotAllowed, 12), (.versionConflict, 10), (.illegalState, 9), (.tooLarge, 8), (.rateLimited, 8),
        (.upstreamUnavailable, 14), (.badUpstream, 14), (.deadline, 4), (.cancelled, 1), (.unsupported, 12),
        (.internalError, 13),
    ]

    @Test func everyEndingHasItsStatus() {
        #expect(Self.table.map(\.0) == Code.allCases)
        for (code, status) in Self.table { #expect(GRPCStatus(Outcome(code)).rawValue == status, "\(code)") }
    }

    @Test func preconditionsOfTheClientAreItsOwn() {
        #expect(GRPCStatus(Outcome(.versionConflict)) == .aborted)
        #expect(GRPCStatus(Outcome(.versionConflict, status: 412)) == .failedPrecondition)
    }

    @Test func anOutcomeMaySayItFiner() {
        #expect(GRPCStatus(Outcome(.badUpstream, grpc: 13)) == .internalError)
        #expect(GRPCStatus(Outcome(.versionConflict, status: 412, grpc: 1)) == .cancelled)
    }

    @Test func httpStatusesWithoutOneOfGRPC() {
        let table: [UInt16: UInt32] = [
            400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 431: 13, 502: 14, 503: 14, 504: 14,
        ]
        for status in UInt16(100)...599 {
            #expect(GRPCStatus(httpStatus: status).rawValue == table[status] ?? 2, "\(status)")
        }
    }

    @Test func resets() {
        let table: [UInt32: UInt32] = [7: 14, 8: 1, 11: 8, 12: 7]
        for code in UInt32(0)...20 { #expect(GRPCStatus(resetCode: code).rawValue == table[code] ?? 13, "\(code)") }
    }

    @Test func transcodedStatuses() {
        let table: [UInt16] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
        for (number, status) in table.enumerated() {
            #expect(GRPCStatus(rawValue: UInt32(number)).httpStatus == status, "\(number)")
            #expect(GRPCStatus(rawValue: UInt32(number)).name.utf8CodeUnitCount > 0)
        }
        #expect(GRPCStatus(rawValue: 400).httpStatus == 500 && GRPCStatus(rawValue: 400).name.utf8CodeUnitCount == 0)
    }
}

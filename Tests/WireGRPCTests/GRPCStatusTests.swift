import Exchanges
import Testing
import WireGRPC

@Suite struct GRPCStatusTests {
    @Test func everyEndingHasAStatus() {
        for code in Code.allCases {
            let status = GRPCStatus(Outcome(code))
            #expect((status == .ok) == (code == .ok || code == .accepted), "\(code)")
            #expect(status.rawValue <= 16)
        }
    }

    @Test func preconditionsOfTheClientAreItsOwn() {
        #expect(GRPCStatus(Outcome(.versionConflict)) == .aborted)
        #expect(GRPCStatus(Outcome(.versionConflict, status: 412)) == .failedPrecondition)
    }
}

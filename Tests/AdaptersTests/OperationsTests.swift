import Adapters
import Testing

@Suite struct OperationsTests {
    @Test func nothingIsFoundInNothing() { #expect(Operations([])["payment.charge"] == nil) }
}

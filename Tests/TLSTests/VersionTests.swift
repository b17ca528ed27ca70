import TLS
import Testing

@Suite struct VersionTests {
    @Test func onlyTwoVersionsExist() { #expect(TLSVersion.allCases.count == 2) }
}

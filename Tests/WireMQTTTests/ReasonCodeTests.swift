import Testing
import WireMQTT

@Suite struct ReasonCodeTests {
    @Test func errorsBeginAt0x80() {
        for code in ReasonCode.allCases { #expect(code.isError == (code.rawValue >= 0x80)) }
    }
}

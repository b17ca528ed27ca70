import Identity
import Testing

@Suite struct CredentialFaultTests {
    @Test func eachReasonHasItsOwnText() {
        #expect(Set(CredentialFault.allCases.map { "\($0.text)" }).count == CredentialFault.allCases.count)
    }
}

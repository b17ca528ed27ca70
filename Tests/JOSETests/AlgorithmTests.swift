import JOSE
import Testing

@Suite struct AlgorithmTests {
    @Test func namesAreExact() {
        for algorithm in Algorithm.allCases { #expect(Algorithm(name: "\(algorithm.name)") == algorithm) }
        for name in ["none", "None", "rs256", "RS256 ", "", "EdDsa"] { #expect(Algorithm(name: name) == nil) }
    }
}

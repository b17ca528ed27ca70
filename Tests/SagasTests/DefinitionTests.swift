import Sagas
import Testing

@Suite struct DefinitionTests {
    @Test func onFailureIsWrittenAsInFiles() { #expect(OnFailure(rawValue: "retry-async") == .retryAsync) }
}

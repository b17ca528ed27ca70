import Settings
import Testing

@Suite struct IdempotencySettingsTests {
    private func read(_ text: String) -> (settings: IdempotencySettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "keys.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.idempotency ?? IdempotencySettings(), diagnostics.sorted.map { "\($0)".replacing("keys.yaml:1:", with: "") })
    }

    @Test func everyKeyIsRead() {
        let (settings, problems) = read("idempotency: { window: 2h, records: 7, lease: 5s }")
        #expect(problems == [] && settings.window == 7_200_000 && settings.records == 7 && settings.lease == 5_000)
        #expect(IdempotencySettings().window == 86_400_000 && IdempotencySettings().records == 1_000_000)
    }

    @Test func noLeaseOutlivesTheWindow() {
        #expect(read("idempotency: { window: 5s }").settings.lease == 5_000)
    }

    @Test(arguments: [
        ("idempotency: { windows: 1h }", "16: error: unknown key 'windows' in idempotency"),
        ("idempotency: { window: 10ms }", "24: error: 'window' must be"), ("idempotency: { window: 31d }", "24: error: 'window' must be"),
        ("idempotency: { window: 5s, lease: 6s }", "28: error: 'lease' must not be longer than 'window'"),
        ("idempotency: { records: 0 }", "25: error: 'records' must be"), ("idempotency: 1", "14: error:"),
    ])
    func aMistakeIsToldAtItsPlace(_ text: String, _ problem: String) {
        #expect(read(text).problems.first?.hasPrefix(problem) == true, "\(read(text).problems)")
    }
}

import Settings
import Testing

@Suite struct InventorySettingsTests {
    private func read(_ text: String) -> (settings: InventorySettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "stock.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.inventory ?? InventorySettings(), diagnostics.sorted.map { "\($0)".replacing("stock.yaml:1:", with: "") })
    }

    @Test func neverBelowZeroUnlessSaid() {
        #expect(!InventorySettings().belowZero && !read("workers: 1").settings.belowZero && !read("inventory: {}").settings.belowZero)
        #expect(read("inventory: { below_zero: true }").settings.belowZero)
        #expect(!read("inventory: { below_zero: false }").settings.belowZero)
    }

    @Test func aMistakeIsToldAtItsPlace() {
        #expect(read("inventory: { below_nil: true }").problems.first?.hasPrefix("14: error: unknown key 'below_nil' in the inventory") == true)
        #expect(read("inventory: { below_zero: perhaps }").problems.first?.contains("error: 'below_zero' must be") == true)
    }
}

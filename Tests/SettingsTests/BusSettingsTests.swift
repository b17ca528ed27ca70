import Settings
import Testing

@Suite struct BusSettingsTests {
    private func read(_ text: String) -> (settings: BusSettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let clusters = "clusters: { cart: { endpoints: 127.0.0.1:1, protocol: http2 }, plain: { endpoints: 127.0.0.1:2 } }\n"
        let configuration = Document.parse(clusters + text, file: "bus.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.bus ?? BusSettings(), diagnostics.sorted.map { "\($0)".replacing("bus.yaml:2:", with: "") })
    }

    @Test func nothingSaidIsTheDefaults() {
        #expect(read("") == (BusSettings(), []))
        #expect(read("bus: {}") == (BusSettings(), []))
        #expect(read("bus: { legacy_cart_mirror: off }") == (BusSettings(), []))
        #expect(BusSettings().legacyCartMirror == nil)
    }

    @Test func everyKeyIsRead() {
        let (bus, problems) = read(
            "bus: { core: [StockAdjusted], concurrency: 2, held: 3, aside_retry: 4s, legacy_cart_mirror: { cluster: cart } }")
        #expect(problems == [])
        #expect(bus.core == ["StockAdjusted"] && bus.concurrency == 2 && bus.held == 3 && bus.asideRetry == 4000)
        #expect(bus.legacyCartMirror == "cart")
    }

    @Test(arguments: [
        ("bus: { cores: [] }", "8: error: unknown key 'cores' in the bus (did you mean 'core'?)"),
        ("bus: { core: [orders] }", "15: error: 'orders' is not the name of an event's type, such as OrderPlaced"),
        ("bus: { concurrency: 0 }", "21: error: 'concurrency' must be from 1 to 1024, not 0"),
        ("bus: { legacy_cart_mirror: on }", "28: error: the legacy cart mirror must be a map, not 'on'"),
        ("bus: { legacy_cart_mirror: { cluster: car } }", "30: error: there is no cluster 'car' (did you mean 'cart'?)"),
        (
            "bus: { legacy_cart_mirror: { cluster: plain } }",
            "30: error: cluster 'plain' needs 'protocol: http2': the service is called by gRPC"
        ),
    ])
    func aMistakeIsToldAtItsPlace(_ text: String, _ problem: String) {
        #expect(read(text).problems.first == problem)
    }
}

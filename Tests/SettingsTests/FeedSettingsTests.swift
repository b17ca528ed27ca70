import Settings
import Testing

@Suite struct FeedSettingsTests {
    private func read(_ text: String) -> (feed: [FeedEntry], problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "feed.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.mqtt.feed ?? [], diagnostics.sorted.map { "\($0)".replacing("feed.yaml:1:", with: "") })
    }

    @Test func nothingSaidIsTheShop() {
        #expect(read("") == (FeedEntry.shop, []))
        #expect(read("mqtt: {}") == (FeedEntry.shop, []))
        #expect(FeedEntry.shop.map(\.topic) == ["shop/orders/{id}/status", "shop/inventory/{sku}"])
        #expect(FeedEntry.shop.allSatisfy { $0.events.allSatisfy($0.subject.events.contains) && $0.isRetained })
        #expect(read("mqtt: { feed: off }") == ([], []))
    }

    @Test func everyKeyIsRead() {
        let (feed, problems) = read("mqtt: { feed: { events: [OrderShipped], topic: 'a/{id}', retain: false, expires: 90s } }")
        #expect(problems == [])
        #expect(feed == [FeedEntry(.orders, events: ["OrderShipped"], topic: "a/{id}", isRetained: false, expires: 90_000)])
    }

    @Test(arguments: [
        ("{ topic: 'a/{id}' }", "15: error: an entry of 'feed' needs 'events'"),
        ("{ events: OrderPlaced }", "15: error: an entry of 'feed' needs 'topic'"),
        ("{ events: [], topic: 'a/{id}' }", "17: error: 'events' needs at least one"),
        ("{ events: OrderPlacd, topic: 'a/{id}' }", "25: error: 'OrderPlacd' is no event of orders or stock (did you mean 'OrderPlaced'?)"),
        (
            "{ events: [OrderPlaced, StockTaken], topic: 'a/{id}' }",
            "39: error: 'StockTaken' is not of the same kind as 'OrderPlaced': they need an entry each"
        ),
        ("{ events: OrderPlaced, topic: 'a/{sku}' }", "38: error: 'a/{sku}' has '{sku}', which is none of {id}"),
        ("{ events: OrderPlaced, topic: 'a/x{id}' }", "38: error: 'a/x{id}' has 'x{id}', which is none of {id}"),
        ("{ events: OrderPlaced, topic: 'a/b' }", "38: error: 'a/b' says of no order which it is: it needs {id}"),
        ("{ events: StockTaken, topic: 'a/+/{id}' }", "37: error: 'a/+/{id}' is a filter: messages go to one topic"),
        ("{ events: StockTaken, topic: '$SYS/{id}' }", "37: error: '$SYS/{id}' begins with '$': such topics are the broker's own"),
        ("{ events: StockTaken, topic: '{id}' }", "37: error: '{id}' has to begin with a level that is written out"),
        ("{ events: StockTaken, topic: 'a//{id}' }", "37: error: 'a//{id}' has a level without a name"),
        ("{ events: StockTaken, topic: 'a/{id}', expires: 1500ms }", "54: error: 'expires' is whole seconds"),
        ("{ events: StockTaken, topic: 'a/{id}', retained: true }", "54: error: unknown key 'retained' in an entry of 'feed' (did you mean 'retain'?)"),
    ])
    func aMistakeIsToldAtItsPlace(_ entry: String, _ problem: String) {
        #expect(read("mqtt: { feed: \(entry) }").problems == [problem])
    }

    @Test func thereAreNotMoreThanThirtyTwo() {
        let entries = [String](repeating: "{ events: StockTaken, topic: 'a/{id}' }", count: 33).joined(separator: ", ")
        #expect(read("mqtt: { feed: [\(entries)] }").problems == ["15: error: 'feed' has at most 32 entries"])
    }
}

import EventCore
import Exchanges
import Testing

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

/// docs/orders.md has the table of what is legal when; here the code is asked for it.
@Suite struct OrderTableTests {
    /// An order in each state, the way it usually comes there.
    static func orders() throws -> [Told] {
        let paid: [OrderAction] = [
            .place(try sunglasses()), .reserveStock(expiresAt: at(2000)), .requestPayment, .completePayment(transaction: "t"),
        ]
        let confirmed = paid + [.requestShipment, .scheduleShipment(tracking: "m"), .confirm]
        let ways: [[OrderAction]] = [
            Array(paid[..<2]), Array(paid[..<3]), paid, confirmed, confirmed + [.startProcessing],
            confirmed + [.startProcessing, .ship], confirmed + [.startProcessing, .ship, .deliver],
            confirmed + [.startProcessing, .ship, .deliver, .complete], confirmed + [.requestCancellation(reason: "")],
            confirmed + [.requestCancellation(reason: ""), .cancel], Array(paid[..<3]) + [.fail(refused)],
        ]
        return ways.map { way in
            var told = Told()
            told.walk(way)
            return told
        }
    }

    static func actions() throws -> [(name: String, action: OrderAction)] {
        [
            ("place, the same", .place(try sunglasses())), ("place, another", .place(try sunglasses(email: "x@y"))),
            ("requestPayment", .requestPayment), ("completePayment, the known", .completePayment(transaction: "t")),
            ("completePayment, another", .completePayment(transaction: "late")), ("failPayment", .failPayment(refused)),
            ("refundPayment", .refundPayment(transaction: "t")), ("failRefund", .failRefund(refused)),
            ("requestShipment", .requestShipment), ("scheduleShipment", .scheduleShipment(tracking: "m")),
            ("failShipment", .failShipment(refused)), ("reserveStock, anew", .reserveStock(expiresAt: at(3000))),
            ("failStock", .failStock(refused)), ("takeStock", .takeStock), ("releaseStock", .releaseStock), ("confirm", .confirm), ("fail", .fail(refused)),
            ("requestCancellation", .requestCancellation(reason: "")), ("cancel", .cancel), ("startProcessing", .startProcessing),
            ("ship", .ship), ("deliver", .deliver), ("complete", .complete),
        ]
    }

    /// ● something happens, ○ it is so already, – it is refused.
    static func table() throws -> [String] {
        var lines = ["| | " + OrderState.allCases.map(\.name.description).joined(separator: " | ") + " |"]
        lines.append("|" + String(repeating: "---|", count: 1 + OrderState.allCases.count))
        for (name, action) in try actions() {
            let cells = try orders().map { told in
                var told = told
                let said = told.ask(action)
                return said == "ok " ? "○" : said.hasPrefix("ok ") ? "●" : "–"
            }
            lines.append("| \(name) | " + cells.joined(separator: " | ") + " |")
        }
        return lines
    }

    @Test func everyStateIsThere() throws {
        #expect(try Self.orders().map(\.order.state) == OrderState.allCases)
    }

    @Test func isAsTheDocumentationSays() throws {
        let document = String(decoding: try projectFile("docs/orders.md"), as: UTF8.self)
        let lines = Set(document.split(separator: "\n").map(String.init))
        for line in try Self.table() { #expect(lines.contains(line), "docs/orders.md lacks: \(line)") }
    }
}

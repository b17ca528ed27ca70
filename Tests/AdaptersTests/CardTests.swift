@testable import Adapters
import EventCore
import Exchanges
import Foundation
import Settings
import Synchronization
import Testing

/// Cards: in memory, for as long as they are needed, and nowhere else (SPEC 24).
@Suite struct CardTests {
    private func id(_ text: String) -> Identifier { Identifier(text)! }

    @Test func aVaultHasRoomForSoMany() throws {
        let vault = CardVault(most: 2, seconds: 100)
        #expect(vault.put(Rig.card(), for: id("a")) && vault.put(Rig.card(), for: id("b")))
        #expect(!vault.put(Rig.card(), for: id("c")))
        #expect(vault.put(Rig.card(Cards.bad), for: id("b")) && vault.count == 2)
        #expect(vault.card(of: id("b"))?.number == Array(Cards.bad.utf8))
        vault.remove(id("a"))
        #expect(vault.put(Rig.card(), for: id("c")) && vault.card(of: id("a")) == nil)
    }

    @Test func aCardGrowsOld() throws {
        let clock = Clock(1000)
        let vault = CardVault(most: 10, seconds: 100) { clock.seconds }
        #expect(vault.put(Rig.card(), for: id("a")))
        clock.seconds = 1050
        #expect(vault.put(Rig.card(), for: id("b")))
        clock.seconds = 1099
        #expect(vault.card(of: id("a")) != nil)
        clock.seconds = 1100
        vault.sweep()
        #expect(vault.count == 1 && vault.card(of: id("a")) == nil && vault.card(of: id("b")) != nil)
        // Given anew it is new.
        #expect(vault.put(Rig.card(), for: id("b")))
        clock.seconds = 1199
        #expect(vault.card(of: id("b")) != nil)
    }

    /// What is passed over does not pile up.
    @Test func cardsComeAndGo() throws {
        let vault = CardVault(most: 10, seconds: 1_000_000)
        var refused = 0
        for i in 0..<20_000 {
            let order = id("o-\(i)")
            if !vault.put(Rig.card(), for: order) { refused += 1 }
            vault.remove(order)
        }
        #expect(vault.count == 0 && vault.remembered < 100 && refused == 0)
    }

    @Test func tokensTellCardsApartAndNothingElse() throws {
        let tokens = try #require(CardTokens(key: Array("0123456789abcdef0123456789abcdef".utf8)))
        let reference = try #require(tokens.reference(of: Rig.card()))
        // By another implementation: HMAC-SHA256 of the digits.
        #expect(reference == CardReference(lastFour: "0454", token: "ebdb19225b8f542bd85e7eab6cc174930c590b35f84a09f15fa1f0d914e04051"))
        #expect(tokens.reference(of: Rig.card("4432-8015 6152 0454")) == reference)
        #expect(tokens.reference(of: Rig.card(Cards.bad))?.token != reference.token)
        #expect(try #require(CardTokens()).reference(of: Rig.card())?.token != reference.token)
        #expect(tokens.reference(of: Rig.card("12"))?.lastFour == "12" && tokens.reference(of: Rig.card(""))?.lastFour == "")
        #expect(CardTokens(key: [1, 2, 3]) == nil)
    }

    @Test func whatServicesSayLosesCardNumbers() {
        #expect(ShownText.bounded("card 4432801561520454 refused") == "card ************0454 refused")
        #expect(ShownText.bounded("4432 8015-6152 0454") == "**** ****-**** 0454")
        #expect(ShownText.bounded("Your credit card (ending 0454) expired on 1/2020") == "Your credit card (ending 0454) expired on 1/2020")
        #expect(ShownText.bounded(String(repeating: "é", count: 600)).utf8.count == 1024)
        #expect(ShownText.bounded("x" + String(repeating: "é", count: 600)).utf8.count == 1023)
        #expect(ShownText.without(Rig.card(), "t-\(Cards.good)") == "(not kept: it repeats the card's number)")
        #expect(ShownText.without(Rig.card(), "t-1") == "t-1")
    }

    /// Every way an order can go, and then every byte that was written, and every text that was made of it.
    @Test func theCardIsNowhere() async throws {
        let echo = "cannot charge \(Cards.good) / 4432 8015 6152 0454"
        let scripts: [ScriptedShop.Script] = [
            { _ in nil },
            { $0.method == "Charge" ? .answered(status: 400, message: echo, body: []) : nil },
            { $0.method == "Charge" ? .answered(status: 2, message: echo, body: []) : nil },
            { $0.method == "Charge" ? .ok(Proto.text(1, Cards.good)) : nil },
            { $0.method == "Charge" ? .unreachable : nil },
            { $0.method == "ShipOrder" ? .answered(status: 13, message: "no vans", body: []) : nil },
            { $0.method == "Convert" ? .answered(status: 13, message: echo, body: []) : nil },
        ]
        var said = ""
        for script in scripts {
            let rig = try Rig(CheckoutSettings(), script)
            defer { rig.close() }
            for patience in [Patience.none, .preferred(milliseconds: 300_000), .required(milliseconds: 300_000)] {
                try await rig.add("OLJCESPC7Z", 1)
                let outcome = try #require(await rig.place(patience))
                said += "\(outcome)" + (outcome.answered?.body ?? "") + (outcome.refusal?.text ?? "")
            }
            dump(rig.cards, to: &said)
            dump(rig.desk, to: &said)
            for result in rig.sagas.results.withLock({ $0 }) { said += "\(result)" }
            rig.log.close()
            for file in try FileManager.default.contentsOfDirectory(at: rig.folder, includingPropertiesForKeys: nil) {
                let bytes = try Data(contentsOf: file)
                for number in ["4432801561520454", "4432 8015", "443280156152"] {
                    #expect(bytes.range(of: Data(number.utf8)) == nil, "\(file.lastPathComponent)")
                }
                if file.lastPathComponent == "events.db" { #expect(bytes.count > 0) }
            }
        }
        #expect(!said.contains("443280156152") && !said.contains("4432 8015"))
        let card = Rig.card()
        #expect("\(card)" == "a card" && String(reflecting: card) == "a card")
    }

    private final class Clock: Sendable {
        private let now: Mutex<UInt64>
        init(_ now: UInt64) { self.now = Mutex(now) }
        var seconds: UInt64 {
            get { now.withLock { $0 } }
            set { now.withLock { $0 = newValue } }
        }
    }
}

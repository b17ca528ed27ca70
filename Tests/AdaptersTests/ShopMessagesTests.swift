@testable import Adapters
import EventCore
import Exchanges
import Seeded
import Testing
import WireGRPC

/// The bytes that another implementation of protobuf makes of the same messages.
@Suite struct ShopMessagesTests {
    let items = [ShopItem(product: "OLJCESPC7Z", quantity: 2), ShopItem(product: "é", quantity: -1)]

    @Test func requestsAreWhatOthersWrite() {
        let card = CardDetails(number: Array("4432801561520454".utf8), cvv: 672, expirationYear: 2030, expirationMonth: 1)
        #expect(
            hex(ShopMessages.charge(Money(currency: "EUR", units: -17, nanos: -682_441_398), card))
                == "0a1b0a0345555210efffffffffffffffff0118ca8acbbafdffffffff01121a0a103434333238303135363135323034353410a00518ee0f2001")
        #expect(
            hex(ShopMessages.conversion(Money(currency: "USD", units: 19, nanos: 990_000_000), to: "EUR"))
                == "0a0d0a0355534410131880e788d8031203455552")
        #expect(hex(ShopMessages.conversion(Money(currency: ""), to: "")) == "0a00")
        #expect(
            hex(ShopMessages.parcel(Rig.address, items))
                == "0a370a193136303020416d70686974686561747265205061726b776179120d4d6f756e7461696e20566965771a024341220355534128dbde05120e0a0a4f4c4a4345535043375a1002120f0a02c3a910ffffffffffffffffff01")
        let line = OrderLine(
            product: Identifier("OLJCESPC7Z")!, name: "", category: "", quantity: 2, cost: Money(currency: "EUR", units: 1, nanos: 5))
        let order = ShopOrder(id: "o-1", tracking: "AB-1", shippingCost: Money(currency: "EUR"), address: Rig.address, lines: [line])
        #expect(
            hex(ShopMessages.confirmation("a@b.example", order))
                == "0a0b6140622e6578616d706c6512680a036f2d31120441422d311a050a0345555222370a193136303020416d70686974686561747265205061726b776179120d4d6f756e7461696e20566965771a024341220355534128dbde052a1b0a0e0a0a4f4c4a4345535043375a100212090a0345555210011805")
        #expect(hex(ShopMessages.text("u")) == "0a0175")
    }

    @Test func answersAreReadAsOthersWriteThem() throws {
        #expect(
            try ShopMessages.readProduct(bytes("0a0158120a53756e676c61737365731a01642201702a0d0a0355534410131880e788d803320b6163636573736f72696573320162"))
                == ShopProduct(name: "Sunglasses", category: "accessories", price: Money(currency: "USD", units: 19, nanos: 990_000_000)))
        #expect(try ShopMessages.readCart(bytes("0a0175120e0a0a4f4c4a4345535043375a1002120f0a02c3a910ffffffffffffffffff01")) == items)
        #expect(try ShopMessages.readQuote(bytes("0a0d0a0355534410081880e788d803")) == Money(currency: "USD", units: 8, nanos: 990_000_000))
        #expect(try ShopMessages.readText(bytes("0a03742d31")) == "t-1")
        #expect(try ShopMessages.readMoney([]) == Money(currency: ""))
        #expect(try ShopMessages.readQuote([]) == nil)
        // A field of another type than its own, and one that nobody knows.
        #expect(try ShopMessages.readText([0x08, 0x05, 0x7d, 1, 2, 3, 4, 0x0a, 0x01, 0x41]) == "A")
    }

    @Test func textThatIsNotUTF8IsNoText() {
        #expect(throws: ShopMessages.Fault.self) { try ShopMessages.readText([0x0a, 0x01, 0xff]) }
        #expect(throws: ShopMessages.Fault.self) { try ShopMessages.readMoney([0x0a, 0x05, 0x41]) }
    }

    @Test func aCartHasABound() throws {
        let item = Proto.bytes(2, Proto.item("A", 1))
        #expect(try ShopMessages.readCart(Array(repeating: item, count: ShopMessages.mostItems).flatMap { $0 }).count == 1000)
        #expect(throws: ShopMessages.Fault.self) {
            try ShopMessages.readCart(Array(repeating: item, count: ShopMessages.mostItems + 1).flatMap { $0 })
        }
    }

    /// Bytes of chance, and good messages with a few bytes changed, cut off or put in: read or refused, never a trap.
    @Test func noBytesDoHarm() {
        var seeded = Seeded(state: 18)
        let good = [
            "0a0158120a53756e676c61737365731a01642201702a0d0a0355534410131880e788d803320b6163636573736f72696573320162",
            "0a0175120e0a0a4f4c4a4345535043375a1002120f0a02c3a910ffffffffffffffffff01", "0a0d0a0355534410081880e788d803",
        ].map(bytes)
        for round in 0..<20_000 {
            var message = round % 2 == 0 ? seeded.pick(good) : (0..<seeded.count(0...40)).map { _ in UInt8.random(in: 0...255, using: &seeded) }
            for _ in 0..<seeded.count(0...4) where !message.isEmpty {
                let at = Int.random(in: 0..<message.count, using: &seeded)
                switch seeded.count(0...2) {
                case 0: message[at] = .random(in: 0...255, using: &seeded)
                case 1: message.removeSubrange(at...)
                default: message.insert(.random(in: 0...255, using: &seeded), at: at)
                }
            }
            _ = try? ShopMessages.readProduct(message)
            _ = try? ShopMessages.readCart(message)
            _ = try? ShopMessages.readQuote(message)
            _ = try? ShopMessages.readMoney(message)
            _ = try? ShopMessages.readText(message)
            _ = ServiceJSON.quote(in: message)
            _ = ServiceJSON.reason(in: message)
            _ = ShownText.bounded(String(decoding: message, as: UTF8.self))
        }
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

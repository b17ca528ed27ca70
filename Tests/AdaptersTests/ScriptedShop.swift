import Exchanges
import Synchronization
import WireGRPC

/// The shop's services behind real message bytes, as the legacy ones answer; a script may answer first.
final class ScriptedShop: CallOut {
    typealias Script = @Sendable (OutboundCall) async -> OutboundAnswer?
    private let script: Script
    private let made = Mutex<[OutboundCall]>([])

    init(_ script: @escaping Script = { _ in nil }) { self.script = script }

    /// Every call so far.
    var calls: [OutboundCall] { made.withLock { $0 } }
    var methods: [String] { calls.map(\.method) }
    func calls(of method: String) -> [OutboundCall] { calls.filter { $0.method == method } }

    func call(_ call: OutboundCall) async -> OutboundAnswer {
        made.withLock { $0.append(call) }
        if let answer = await script(call) { return answer }
        let fields = Proto(call.body)
        switch call.method {
        case "GetCart": return .ok(Proto.bytes(1, fields.bytes(1)) + Proto.bytes(2, Proto.item("OLJCESPC7Z", 2)))
        case "GetProduct":
            guard let product = ScriptedShop.products[fields.text(1)] else {
                return .answered(status: 5, message: "no product with ID \(fields.text(1))", body: [])
            }
            return .ok(Proto.text(2, product.name) + Proto.bytes(5, Proto.money("USD", product.units, product.nanos)) + Proto.text(6, "things"))
        case "Convert":
            let from = Proto(fields.bytes(1))
            return .ok(ScriptedShop.convert(from.number(2), from.number(3), to: fields.text(2)))
        case "GetQuote": return .ok(Proto.bytes(1, fields.all(2).isEmpty ? Proto.money("USD", 0, 0) : Proto.money("USD", 8, 990_000_000)))
        case "Charge":
            guard Proto(fields.bytes(2)).text(1) == Cards.good else {
                return .answered(status: 400, message: "Credit card info is invalid", body: [])
            }
            return .ok(Proto.text(1, "transaction-1"))
        case "ShipOrder": return .ok(Proto.text(1, "AB-12345-123456789"))
        case "SendOrderConfirmation", "EmptyCart": return .ok([])
        default: return .answered(status: 12, message: "", body: [])
        }
    }

    static let products: [String: (name: String, units: UInt64, nanos: UInt64)] = [
        "OLJCESPC7Z": ("Sunglasses", 19, 990_000_000), "66VCHSJNUP": ("Tank Top", 18, 990_000_000),
        "1YMWWN1N4O": ("Watch", 109, 990_000_000),
    ]

    /// Into euros as the currency service does it; 0 of what it does not know.
    private static func convert(_ units: UInt64, _ nanos: UInt64, to code: String) -> [UInt8] {
        switch (code, units, nanos) {
        case ("USD", _, _): Proto.money("USD", units, nanos)
        case ("EUR", 19, 990_000_000): Proto.money("EUR", 17, 682_441_398)
        case ("EUR", 8, 990_000_000): Proto.money("EUR", 7, 952_233_525)
        default: Proto.money(code, 0, 0)
        }
    }
}

extension OutboundCall {
    /// `Charge`, or a resource's path.
    var method: String {
        switch form {
        case .grpc(let path): String(path.split(separator: "/").last ?? "")
        case .http(_, let path, _): path
        }
    }
}

extension OutboundAnswer {
    static func ok(_ body: [UInt8]) -> OutboundAnswer { .answered(status: 0, message: "", body: body) }
    static let unreachable = OutboundAnswer.failed(Outcome(.upstreamUnavailable, "no endpoint can be reached"), mayHaveRun: false)
    static let lost = OutboundAnswer.failed(Outcome(.upstreamUnavailable, "the connection was lost"), mayHaveRun: true)
}

enum Cards {
    static let good = "4432801561520454"
    static let bad = "4432801561520455"
}

/// A message, taken apart without knowing its type; and how one is put together, apart from the code under test.
struct Proto {
    private var fields: [(number: UInt64, value: UInt64, bytes: [UInt8])] = []

    init(_ message: [UInt8]) {
        var reader = ProtobufFieldReader()
        while let field = try? reader.next(message.span) {
            switch field.value {
            case .varint(let value): fields.append((field.number, value, []))
            case .bytes(let slice): fields.append((field.number, 0, Array(message[slice.range])))
            case .fixed: break
            }
        }
    }

    func all(_ number: UInt64) -> [[UInt8]] { fields.filter { $0.number == number }.map(\.bytes) }
    func bytes(_ number: UInt64) -> [UInt8] { all(number).last ?? [] }
    func text(_ number: UInt64) -> String { String(decoding: bytes(number), as: UTF8.self) }
    func number(_ number: UInt64) -> UInt64 { fields.last { $0.number == number }?.value ?? 0 }

    static func bytes(_ number: UInt8, _ value: [UInt8]) -> [UInt8] { [number << 3 | 2] + varint(UInt64(value.count)) + value }
    static func text(_ number: UInt8, _ value: String) -> [UInt8] { bytes(number, Array(value.utf8)) }
    static func varint(_ number: UInt8, _ value: UInt64) -> [UInt8] { [number << 3] + varint(value) }
    static func money(_ code: String, _ units: UInt64, _ nanos: UInt64) -> [UInt8] {
        text(1, code) + varint(2, units) + varint(3, nanos)
    }
    static func item(_ product: String, _ quantity: Int64) -> [UInt8] { text(1, product) + varint(2, UInt64(bitPattern: quantity)) }

    private static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(truncatingIfNeeded: value) | 0x80] + varint(value >> 7)
    }
}

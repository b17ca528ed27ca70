import EventCore
import Exchanges
import WireGRPC

/// Why an order cannot be placed, in the legacy checkout's words (LEGACY 4), on which clients rely.
enum LegacyRefusal {
    case noCart
    case noProduct(String)
    case noPrice(String, String)
    case noQuote
    case noShippingPrice

    fileprivate func text(_ fault: ServiceFault?) -> String {
        switch self {
        case .noCart: "cart failure: failed to get user cart during checkout: \(fault?.described ?? "")"
        case .noProduct(let id): "failed to prepare order: failed to get product #\(StatusText.quoted(id))"
        case .noPrice(let id, let currency):
            "failed to prepare order: failed to convert price of \(StatusText.quoted(id)) to \(currency)"
        case .noQuote: "shipping quote failure: failed to get shipping quote: \(fault?.described ?? "")"
        case .noShippingPrice:
            "failed to convert shipping cost to currency: failed to convert currency: \(fault?.described ?? "")"
        }
    }
}

extension Refusal {
    /// INTERNAL for callers of gRPC, whatever the cause, because that is what they have always got. HTTP tells apart
    /// what will pass (503), what a service has got wrong (502), and a cart that holds what cannot be bought (409).
    static func legacy(_ what: LegacyRefusal, _ fault: ServiceFault?) -> Refusal {
        let text = what.text(fault)
        let internalError = UInt8(GRPCStatus.internalError.rawValue)
        guard let fault, fault.code != GRPCStatus.notFound.rawValue else {
            return Refusal(Outcome(.illegalState, grpc: internalError, "the cart cannot be ordered as it is"), text)
        }
        if fault.isPassing {
            let detail: StaticString = "a service that prices are found by cannot be reached"
            return Refusal(Outcome(.upstreamUnavailable, grpc: internalError, detail, retryAfterMS: 1000), text)
        }
        return Refusal(Outcome(.badUpstream, grpc: internalError, "a service that prices are found by has refused"), text)
    }

    init(_ outcome: Outcome, _ text: String) {
        self.init(outcome.code, outcome.detail)
        self.outcome = outcome
        self.text = text
    }
}

import Contracts
import Exchanges

// All of an order's state as JSON. Instants are exact numbers, microseconds since 1970.

extension Order {
    public static var snapshotVersion: UInt32 { 2 }

    public func snapshot() -> [UInt8]? {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        if let priced {
            json.name("order")
            json.beginObject()
            json.members(priced)
            json.endObject()
        }
        json.name("payment")
        json.snapshot(payment)
        json.name("shipment")
        json.snapshot(shipment)
        json.name("stock")
        json.snapshot(stock)
        if let failure { json.failure("failure", failure) }
        if let cancellationReason {
            json.name("cancellationReason")
            json.string(cancellationReason)
        }
        json.name("timeline")
        json.beginArray()
        for milestone in timeline {
            json.beginObject()
            json.name("state")
            json.string(milestone.state.name.description)
            json.name("at")
            json.integer(milestone.at.microseconds)
            json.endObject()
        }
        json.endArray()
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    public init?(snapshot: Span<UInt8>, version: UInt64) {
        guard let members = JSONMembers(snapshot.bytes), members.int64("version") == Int64(exactly: version),
            let payment = members.object("payment").flatMap({ OrderPayment($0) }),
            let shipment = members.object("shipment").flatMap({ OrderShipment($0) }),
            let stock = members.object("stock").flatMap({ OrderStock($0) }), let milestones = members.objects("timeline")
        else { return nil }
        self.init()
        if let order = members.object("order") {
            guard let priced = PricedOrder(order) else { return nil }
            self.priced = priced
        }
        for milestone in milestones {
            guard let state = milestone.string("state").flatMap({ OrderState(named: $0) }), let at = milestone.microseconds("at")
            else { return nil }
            timeline.append(Milestone(state: state, at: at))
        }
        self.payment = payment
        self.shipment = shipment
        self.stock = stock
        failure = members.object("failure")?.failure
        cancellationReason = members.string("cancellationReason")
        self.version = version
    }
}

extension JSONWriter {
    fileprivate mutating func failure(_ name: StaticString, _ failure: Failure) {
        self.name(name)
        beginObject()
        members(failure)
        endObject()
    }

    fileprivate mutating func member(_ name: StaticString, _ text: String) {
        self.name(name)
        string(text)
    }

    fileprivate mutating func snapshot(_ payment: OrderPayment) {
        beginObject()
        switch payment.attempt {
        case .none: member("is", "none")
        case .requested: member("is", "requested")
        case .made: member("is", "made")
        case .failed(let failure):
            member("is", "failed")
            self.failure("failure", failure)
        }
        name("charges")
        beginArray()
        for charge in payment.charges {
            beginObject()
            member("transactionId", charge.transaction)
            name("isRefunded")
            bool(charge.isRefunded)
            endObject()
        }
        endArray()
        if let failure = payment.refundFailure { self.failure("refundFailure", failure) }
        endObject()
    }

    fileprivate mutating func snapshot(_ shipment: OrderShipment) {
        beginObject()
        switch shipment {
        case .none: member("is", "none")
        case .requested: member("is", "requested")
        case .scheduled(let tracking):
            member("is", "scheduled")
            member("trackingId", tracking)
        case .failed(let failure):
            member("is", "failed")
            self.failure("failure", failure)
        }
        endObject()
    }

    fileprivate mutating func snapshot(_ stock: OrderStock) {
        beginObject()
        switch stock {
        case .none: member("is", "none")
        case .reserved(let until):
            member("is", "reserved")
            name("until")
            integer(until.microseconds)
        case .unavailable(let failure):
            member("is", "unavailable")
            self.failure("failure", failure)
        case .taken(let until):
            member("is", "taken")
            name("until")
            integer(until.microseconds)
        case .released(let until):
            member("is", "released")
            name("until")
            integer(until.microseconds)
        }
        endObject()
    }
}

extension OrderPayment {
    fileprivate init?(_ members: JSONMembers) {
        self.init()
        switch members.string("is") {
        case "none": break
        case "requested": attempt = .requested
        case "made": attempt = .made
        case "failed":
            guard let failure = members.object("failure")?.failure else { return nil }
            attempt = .failed(failure)
        default: return nil
        }
        guard let charges = members.objects("charges") else { return nil }
        for charge in charges {
            guard let transaction = charge.string("transactionId"), let isRefunded = charge.bool("isRefunded") else { return nil }
            self.charges.append(Charge(transaction: transaction, isRefunded: isRefunded))
        }
        refundFailure = members.object("refundFailure")?.failure
    }
}

extension OrderShipment {
    fileprivate init?(_ members: JSONMembers) {
        switch members.string("is") {
        case "none": self = .none
        case "requested": self = .requested
        case "scheduled":
            guard let tracking = members.string("trackingId") else { return nil }
            self = .scheduled(tracking: tracking)
        case "failed":
            guard let failure = members.object("failure")?.failure else { return nil }
            self = .failed(failure)
        default: return nil
        }
    }
}

extension OrderStock {
    fileprivate init?(_ members: JSONMembers) {
        switch members.string("is") {
        case "none": self = .none
        case "reserved":
            guard let until = members.microseconds("until") else { return nil }
            self = .reserved(until: until)
        case "unavailable":
            guard let failure = members.object("failure")?.failure else { return nil }
            self = .unavailable(failure)
        case "taken":
            guard let until = members.microseconds("until") else { return nil }
            self = .taken(until: until)
        case "released":
            guard let until = members.microseconds("until") else { return nil }
            self = .released(until: until)
        default: return nil
        }
    }
}

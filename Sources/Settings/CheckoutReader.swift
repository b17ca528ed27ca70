/// `checkout` → `CheckoutSettings`.
extension CheckoutSettings {
    /// Nil = no checkout: absent or `off`.
    static func read(_ root: Fields, clusters: [Cluster]) -> CheckoutSettings? {
        guard let value = root.value("checkout") else { return nil }
        if case .scalar("off", _) = value.shape { return nil }
        let fields = Fields(value, "the checkout", root.diagnostics)
        var result = CheckoutSettings()
        if let word = fields.choice("saga", Saga.allCases.map(\.rawValue)), let saga = Saga(rawValue: word) {
            result.saga = saga
        }
        result.sagas = fields.strings("sagas")?.map(\.text) ?? result.sagas
        if let value = fields.value("cart"), let name = value.string("cart", fields.diagnostics), name != "core" {
            result.cart = .cluster(name)
            Service.check(name, speaks: .http2, at: value.position, among: clusters, fields.diagnostics)
        }
        if let value = fields.value("cart_flag"), let name = value.string("cart_flag", fields.diagnostics), name != "off" {
            result.cartFlag = PlacedName(name, at: value.position)
            if result.cart == .core {
                fields.diagnostics.error(at: value.position, "'cart_flag' needs a 'cart' that is a cluster: on the flag's other side there is no cart")
            }
        }
        result.catalogue.read("catalogue", [], fields, clusters)
        result.currency.read("currency", [], fields, clusters)
        result.shipping.read("shipping", [.rest, .quote, .capabilities, .undo("cancel")], fields, clusters)
        result.payment.read("payment", [.rest, .capabilities, .undo("refund")], fields, clusters)
        result.email.read("email", [.rest, .capabilities], fields, clusters)
        result.pricing = fields.milliseconds("pricing", in: 1...600_000) ?? result.pricing
        result.reservation = fields.milliseconds("reservation", in: 1_000...2_592_000_000) ?? result.reservation
        result.paymentParkMax = fields.milliseconds("payment_park_max", in: 1_000...2_592_000_000) ?? result.paymentParkMax
        result.inFlight = fields.integer("in_flight", in: 1...1_000_000) ?? result.inFlight
        result.waiting = fields.integer("waiting", in: 0...1_000_000) ?? result.waiting
        result.cards = fields.integer("cards", in: 1...10_000_000) ?? result.cards
        result.cardKeyFile = fields.path("card_key_file")
        fields.finish()
        if result.saga == .checkoutWithInventory, result.reservation < result.paymentParkMax {
            fields.diagnostics.warning(
                at: fields.position(of: fields.has("reservation") ? "reservation" : "payment_park_max"),
                "'reservation' is shorter than 'payment_park_max': stock of an order that waits for its payment is let go")
        }
        return result
    }
}

extension CheckoutSettings.Service {
    /// What a service's section may say besides its cluster and timeout.
    enum Option: Equatable {
        case rest
        case quote
        case capabilities
        /// The key that names the call which undoes.
        case undo(String)
    }

    mutating func read(_ key: String, _ options: [Option], _ checkout: Fields, _ clusters: [Cluster]) {
        let position = checkout.position(of: key)
        guard let fields = checkout.fields(key, "the \(key) of the checkout") else {
            return Self.check(cluster, speaks: .http2, at: position, among: clusters, checkout.diagnostics)
        }
        if options.contains(.rest), let rest = fields.fields("rest", "a service by REST") {
            if fields.value("cluster") != nil {
                fields.diagnostics.error(at: fields.position(of: "cluster"), "'cluster' and 'rest' exclude each other")
            }
            cluster = rest.string("cluster") ?? cluster
            let path = rest.resource("path")
            let quote = options.contains(.quote) ? rest.resource("quote") : nil
            form = .rest(path: path, quote: quote)
            rest.finish()
            Self.check(cluster, speaks: nil, at: rest.position(of: "cluster"), among: clusters, fields.diagnostics)
        } else {
            cluster = fields.string("cluster") ?? cluster
            Self.check(cluster, speaks: .http2, at: fields.position(of: "cluster"), among: clusters, fields.diagnostics)
        }
        timeout = fields.milliseconds("timeout", in: 1...600_000) ?? timeout
        if options.contains(.capabilities) {
            isIdempotent = fields.bool("idempotent") ?? isIdempotent
            let words = Unavailable.allCases.map(\.rawValue)
            if let word = fields.choice("unavailable", words), let meaning = Unavailable(rawValue: word) { unavailable = meaning }
        }
        for case .undo(let key) in options where fields.value(key) != nil { undo = fields.resource(key) }
        fields.finish()
    }

    /// The cluster has to exist; gRPC needs one that speaks HTTP/2.
    fileprivate static func check(
        _ name: String, speaks: Cluster.WireProtocol?, at position: SourcePosition, among clusters: [Cluster],
        _ diagnostics: Diagnostics
    ) {
        guard let cluster = clusters.first(where: { $0.name == name }) else {
            let hint = Spelling.hint(name, among: clusters.map(\.name))
            diagnostics.error(at: position, "there is no cluster '\(name)'\(hint)")
            return
        }
        if let speaks, cluster.wireProtocol != speaks {
            diagnostics.error(at: position, "cluster '\(name)' needs 'protocol: http2': the service is called by gRPC")
        }
    }
}

extension Fields {
    /// A path that a request can have: `/` and then what needs no encoding. Empty after a report.
    fileprivate func resource(_ key: String) -> String {
        guard let value = value(key) else {
            diagnostics.error(at: position, "\(what) needs '\(key)'")
            return ""
        }
        guard let text = value.string(key, diagnostics) else { return "" }
        let isLegal = text.utf8.first == 0x2f && text.utf8.count <= 1024 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        if !isLegal { diagnostics.error(at: value.position, "'\(key)' must be a path that begins with /, not \(value.summary)") }
        return text
    }
}

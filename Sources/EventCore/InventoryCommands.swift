/// The inventory's commands and its query, as they come.
enum InventoryCommands {
    static let commands = [
        CommandName("inventory.adjust", path: ["productId"], adjust), CommandName("inventory.reserve", reserve),
        CommandName("inventory.release", release),
    ]
    static let queries = [QueryName(name: "inventory.get", parameter: "productId") { .inventory($0) }]

    @Sendable private static func adjust(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.productId, .delta, .reason, .eventId, .ts], text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        let delta = decoder.integer(root[1], atLeast: .min, at: "/delta", text)
        let reason = decoder.identifier(root[2], at: "/reason", text)
        let eventId = decoder.identifierIfAny(root[3], at: "/eventId", text)
        // When whoever reports has counted. Clocks of devices are what they are: it is looked at, and not relied upon.
        _ = decoder.timestampIfAny(root[4], at: "/ts", text)
        guard let product, let delta, let reason else { return nil }
        return .inventory(product, .adjust(delta: delta, reason: reason, eventId: eventId))
    }

    @Sendable private static func reserve(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.productId, .reservationId, .orderId, .quantity, .expiresAt], text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        let reservation = decoder.identifier(root[1], at: "/reservationId", text)
        let order = decoder.identifierIfAny(root[2], at: "/orderId", text)
        let quantity = decoder.integer(root[3], atLeast: 1, at: "/quantity", text)
        let expiresAt = decoder.timestampIfAny(root[4], at: "/expiresAt", text)
        guard let product, let reservation, let quantity else { return nil }
        return .inventory(
            product, .reserve(reservation: reservation, order: order, quantity: quantity, expiresAt: expiresAt))
    }

    @Sendable private static func release(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> Command? {
        let root = decoder.members(of: 0, at: "", [.productId, .reservationId, .orderId, .reason], text)
        let product = decoder.identifier(root[0], at: "/productId", text)
        let reservation = decoder.identifier(root[1], at: "/reservationId", text)
        let order = decoder.identifierIfAny(root[2], at: "/orderId", text)
        let reason = reason(&decoder, root[3], text)
        guard let product, let reservation, let reason else { return nil }
        return .inventory(product, .release(reservation: reservation, order: order, reason: reason))
    }

    /// That time is up is for the core to say.
    private static func reason(_ decoder: inout CommandDecoder, _ at: Int?, _ text: Span<UInt8>) -> ReleaseReason? {
        guard let at else { return .unspecified }
        let name = decoder.string(at, text)
        guard let reason = ReleaseReason.allCases.first(where: { Array($0.name.utf8) == name }), reason != .expired else {
            decoder.note("/reason", "must be RELEASE_REASON_COMPENSATION or RELEASE_REASON_ORDER_CANCELLED")
            return nil
        }
        return reason
    }
}

extension CommandDecoder.Name {
    fileprivate static let delta = Self(camel: "delta", snake: "delta")
    static let reason = Self(camel: "reason", snake: "reason")
    fileprivate static let eventId = Self(camel: "eventId", snake: "event_id")
    fileprivate static let ts = Self(camel: "ts", snake: "ts")
    fileprivate static let reservationId = Self(camel: "reservationId", snake: "reservation_id")
    static let orderId = Self(camel: "orderId", snake: "order_id")
    fileprivate static let expiresAt = Self(camel: "expiresAt", snake: "expires_at")
}

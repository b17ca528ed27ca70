/// An exact amount (SPEC 25): `units` and `nanos` of one sign, |nanos| ≤ 999,999,999.
public struct Money: Sendable, Hashable {
    /// ISO 4217, or whatever the customer gave: up to 128 bytes, possibly empty.
    public var currency: String
    public var units: Int64
    public var nanos: Int32

    public init(currency: String, units: Int64 = 0, nanos: Int32 = 0) {
        self.currency = currency
        self.units = units
        self.nanos = nanos
    }
}

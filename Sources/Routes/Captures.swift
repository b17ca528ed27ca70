public import Exchanges

/// The parts of the path that stood for a template's parameters, in the template's order. Eight
/// slots in place, so a match allocates nothing.
public struct Captures: Sendable, BitwiseCopyable {
    @usableFromInline var slots = InlineArray<8, Slice>(repeating: .none)
    public internal(set) var count = 0

    public init() {}

    /// Traps unless `i` is below `count`.
    @inlinable public subscript(_ i: Int) -> Slice {
        precondition(i >= 0 && i < count)
        return slots[i]
    }

    @inline(__always) mutating func push(_ slice: Slice) {
        slots[count] = slice
        count &+= 1
    }

    @inline(__always) mutating func pop() { count &-= 1 }
}

/// What the table says about a request.
public enum Match: Sendable, Hashable, BitwiseCopyable {
    /// Index into `RouteTable.rules` and `RouteTable.routes`.
    case route(UInt16)
    /// Some route has everything but the method: 405, and the set makes the `Allow` field.
    case methodNotAllowed(MethodSet)
    case none
}

/// Methods as bits: the numbers of `Verb`, then the table's own tokens. Read it with the table that
/// made it.
public struct MethodSet: OptionSet, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt64
    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(_ verb: Verb) { rawValue = 1 << UInt64(verb.rawValue) }

    /// The bit of the table's own token number `i`.
    init(custom i: Int) { rawValue = 1 << UInt64(MethodSet.firstCustom + i) }

    static let firstCustom = 16
    /// Tokens a table can have beside the methods of `Verb`.
    static let customLimit = 64 - firstCustom
    static let any = MethodSet(rawValue: .max)
}

import Exchanges

/// A dictionary in many parts, each of which grows by itself. One dictionary with a million entries takes as long to
/// double as hundreds of commands take altogether, and they would all wait for it.
struct Scattered<Value> {
    private static var parts: Int { 256 }
    private var parts = [[RepeatKey.Digest: Value]](repeating: [:], count: Self.parts)

    /// The digest's own bits say which part: nobody who has not its key can choose them.
    subscript(key: RepeatKey.Digest) -> Value? {
        get { parts[Int(key.low & 0xFF)][key] }
        set { parts[Int(key.low & 0xFF)][key] = newValue }
    }

    mutating func updateValue(_ value: Value, forKey key: RepeatKey.Digest) -> Value? {
        parts[Int(key.low & 0xFF)].updateValue(value, forKey: key)
    }
}

extension Scattered: Sendable where Value: Sendable {}

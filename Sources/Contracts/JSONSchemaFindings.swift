import Exchanges

/// What was found so far: violations, what has been evaluated, and how much may still be done.
struct JSONSchemaFindings {
    private(set) var list: [JSONSchema.Violation] = []
    /// 0 = only whether there is anything: checking ends with the first.
    private let most: Int
    /// Alternatives that are being tried: nobody is told of them.
    private var muted = 0
    /// Work that may still be done. Recursion through alternatives grows with the power of a value's depth, and whoever
    /// sends the value chooses that.
    private(set) var left: Int
    /// Items and values of members that a schema of the value being checked has evaluated: their places on the tape.
    private(set) var evaluated: [UInt32] = []
    /// By place on the tape: the round in which it was last found evaluated.
    private var rounds: [UInt32] = []
    private var round: UInt32 = 0

    static let workPerValue = 100
    static let leastWork = 10_000
    static let mostWork = 10_000_000

    init(most: Int, _ tape: JSONTape, _ text: Span<UInt8>) {
        self.most = most
        let granted = JSONSchemaFindings.leastWork + JSONSchemaFindings.workPerValue * tape.entries.count + text.count
        left = min(granted, JSONSchemaFindings.mostWork)
    }

    var isFull: Bool { muted > 0 || list.count >= most }

    /// A schema looked at, a child walked past, 64 bytes read, 32 steps of a pattern: each is one.
    @inline(__always) mutating func spend(_ work: Int) { left &-= work }

    mutating func report(_ pointer: @autoclosure () -> String, _ error: @autoclosure () -> String) {
        if !isFull { list.append(JSONSchema.Violation(pointer(), error())) }
    }

    mutating func mute() { muted += 1 }
    mutating func unmute() { muted -= 1 }

    // MARK: - What is evaluated

    @inline(__always) mutating func evaluate(_ place: Int) { evaluated.append(UInt32(truncatingIfNeeded: place)) }

    /// Back to when there were so many.
    @inline(__always) mutating func forget(downTo count: Int) {
        if evaluated.count > count { evaluated.removeLast(evaluated.count - count) }
    }

    /// Notes all behind the first `count`; `isNoted` then tells of them.
    mutating func note(from count: Int, _ tape: JSONTape) {
        if rounds.isEmpty { rounds = [UInt32](repeating: 0, count: tape.entries.count) }
        round &+= 1
        spend(evaluated.count - count)
        for i in count..<evaluated.count { rounds[Int(evaluated[i])] = round }
    }

    func isNoted(_ place: Int) -> Bool { rounds[place] == round }
}

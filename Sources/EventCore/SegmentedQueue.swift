/// Elements that come at the end and leave at the front, in segments of a fixed length: nothing is ever copied to make
/// room, however many there are.
struct SegmentedQueue<Element> {
    private static var length: Int { 1024 }
    private var segments: [[Element]] = []
    /// Elements of the first segment that have left.
    private var left = 0
    private(set) var count = 0

    /// The oldest has index 0.
    subscript(i: Int) -> Element { segments[(left + i) / Self.length][(left + i) % Self.length] }

    mutating func append(_ element: Element) {
        if (left + count) % Self.length == 0 {
            segments.append([])
            segments[segments.count - 1].reserveCapacity(Self.length)
        }
        segments[segments.count - 1].append(element)
        count += 1
    }

    mutating func removeFirst() {
        left += 1
        count -= 1
        guard left == Self.length else { return }
        segments.removeFirst()
        left = 0
    }

    /// The newest `n`.
    mutating func removeLast(_ n: Int) {
        for _ in 0..<n {
            segments[segments.count - 1].removeLast()
            if segments[segments.count - 1].isEmpty { segments.removeLast() }
        }
        count -= n
    }
}

extension SegmentedQueue: Sendable where Element: Sendable {}

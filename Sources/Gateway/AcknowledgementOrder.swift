import WireMQTT

/// The answers that a client waits for, in the order of its PUBLISH packets: PUBACK and PUBREC leave in that order
/// (MQTT 5.0 section 4.6), whichever message was done first. Costs nothing while nothing is waited for.
struct AcknowledgementOrder {
    struct Answer {
        var packetID: UInt16
        var isExactlyOnce: Bool
        var reason: ReasonCode
        /// The reason string; empty = none.
        var text: [UInt8]
    }

    private struct Place {
        var answer: Answer
        var isSettled = false
    }

    private var places: [Place] = []
    /// In `places`: those before it have been answered.
    private var first = 0
    /// The number of `places[0]`.
    private var base: UInt64 = 0

    /// Messages that have not been answered yet.
    var count: Int { places.count - first }
    var isEmpty: Bool { places.isEmpty }

    /// A message has come. - Returns: the number by which it is settled.
    mutating func begin(_ packetID: UInt16, isExactlyOnce: Bool) -> UInt64 {
        let number = base + UInt64(places.count)
        places.append(Place(answer: Answer(packetID: packetID, isExactlyOnce: isExactlyOnce, reason: .success, text: [])))
        return number
    }

    /// What the message with this number came to.
    mutating func settle(_ number: UInt64, _ reason: ReasonCode, text: [UInt8] = []) {
        guard number >= base + UInt64(first), number - base < UInt64(places.count) else { return }
        let i = Int(number - base)
        places[i].answer.reason = reason
        places[i].answer.text = text
        places[i].isSettled = true
    }

    /// The next answer that may leave.
    mutating func next() -> Answer? {
        guard first < places.count, places[first].isSettled else { return nil }
        let answer = places[first].answer
        first += 1
        if first == places.count {
            base += UInt64(first)
            first = 0
            // A device that is silent again keeps no room for it.
            places.removeAll(keepingCapacity: places.capacity <= 8)
        } else if first >= 64 {
            base += UInt64(first)
            places.removeFirst(first)
            first = 0
        }
        return answer
    }
}

import WireMQTT

/// Topics that one client knows by a number on this connection (MQTT 5.0 section 3.3.2.3.4). A number may come to stand for
/// another topic; it is sent with that topic then.
final class OutgoingAliases {
    enum Choice: Equatable {
        /// The topic alone.
        case none
        /// The topic and this alias: say so with `sent` if it is.
        case new(UInt16)
        /// This alias alone.
        case known(UInt16)
    }

    /// Bytes of a topic that an alias would not make up for when the topic comes a second time.
    static let shortest = 6

    static let missesPerPlace = 4

    private let most: Int
    private var numbers: [[UInt8]: UInt16] = [:]
    private var topics: [(text: [UInt8], wasUsed: Bool)] = []
    /// Bytes of all topics.
    private var bytes = 0
    /// The one that is to make room, unless it was used since it was last looked at: one that comes often outlasts any number of
    /// those that come once.
    private var hand = 0
    /// Topics without an alias that came when there was no room. Not each of them is to take another's place: where more topics
    /// take turns than there are aliases, each would lose its own before it is used.
    private var misses = 0

    /// - Parameter most: aliases, at least 1.
    init(most: Int) { self.most = most }

    func find(_ topic: [UInt8]) -> Choice {
        if let known = numbers[topic] {
            topics[Int(known) - 1].wasUsed = true
            return .known(known)
        }
        guard topics.count == most || bytes + topic.count > MQTTFields.mostAliasBytes else { return .new(UInt16(topics.count + 1)) }
        misses &+= 1
        guard !topics.isEmpty, misses % Self.missesPerPlace == 0 else { return .none }
        if hand >= topics.count { hand = 0 }
        let place = hand
        if topics[place].wasUsed || bytes - topics[place].text.count + topic.count > MQTTFields.mostAliasBytes {
            topics[place].wasUsed = false
            hand += 1
            return .none
        }
        return .new(UInt16(place + 1))
    }

    /// The topic has been sent with this alias, which `find` had offered for it.
    func sent(_ topic: [UInt8], as alias: UInt16) {
        let place = Int(alias) - 1
        if place < topics.count {
            numbers[topics[place].text] = nil
            bytes -= topics[place].text.count
            topics[place] = (topic, false)
            hand = place + 1
        } else {
            topics.append((topic, false))
        }
        numbers[topic] = alias
        bytes += topic.count
    }
}

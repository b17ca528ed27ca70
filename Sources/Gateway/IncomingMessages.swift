/// Where a message with QoS 2 is, between its PUBLISH and its PUBCOMP.
enum IncomingState {
    /// In the pipeline.
    case inWork
    /// PUBREC has been sent.
    case taken(by: MessageKeeper)
    /// PUBREL has come; this many have still to say that they have forgotten it.
    case releasing(left: UInt8, isKnown: Bool)
}

/// A client's messages with QoS 2, by packet identifier.
struct IncomingMessages {
    private var states: [UInt16: IncomingState] = [:]
    /// Those whose PUBREC is out, and whose PUBCOMP is not: they still count against the Receive Maximum (MQTT 5.0 section 4.9).
    private(set) var answered = 0

    subscript(packetID: UInt16) -> IncomingState? {
        get { states[packetID] }
        set {
            answered += (newValue?.isAnswered == true ? 1 : 0) - (states[packetID]?.isAnswered == true ? 1 : 0)
            states[packetID] = newValue
            // A silent connection holds no table.
            if states.isEmpty { states = [:] }
        }
    }
}

extension IncomingState {
    fileprivate var isAnswered: Bool { if case .inWork = self { false } else { true } }
}

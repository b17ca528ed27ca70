import Reactor
import Settings
import WireMQTT

/// The gateway goes: what was read is answered, and clients of MQTT 5 hear where to go on (MQTT 5.0 section 4.11).
extension MQTTConnection {
    func beginToEnd() {
        switch phase {
        // Its CONNECT may be on its way.
        case .opening: worker.loop.setDeadline(self, afterMS: UInt64(min(port.timeouts.head, Worker.latePatience)))
        case .admitting: refuseForDrain()
        case .open:
            phase = .finishing
            finishIfAnswered()
        case .finishing, .ending, .closed: break
        }
    }

    /// In a drain: the end, once nothing that the client has sent waits for its answer.
    func finishIfAnswered() {
        guard phase == .finishing, answers.count == 0, subscribing == nil, asked == 0 else { return }
        sendOn("the gateway drains")
    }

    /// Ends it, and says where to go on.
    func sendOn(_ detail: StaticString) {
        let (reason, reference) = successor(.serverShuttingDown)
        end(reason, detail, reference: reference)
    }

    /// Who comes now is not let in.
    func refuseForDrain() {
        if let opening { maximumPacketSize = opening.maximumPacketSize }
        let (reason, reference) = successor(.serverUnavailable)
        refuseConnect(reason, "the gateway drains", reference: reference)
    }

    /// Where clients of this listener go on, as the last reload has it: one may have been made just to say so.
    /// - Parameter alone: the reason where there is no such place, or no room to say it (section 3.1.2.11.4).
    private func successor(_ alone: ReasonCode) -> (ReasonCode, [UInt8]) {
        guard version == .v5, let grants = port.mqtt, let reference = grants.serverReference else { return (alone, []) }
        let bytes = Array(reference.utf8)
        guard bytes.count + 16 <= Int(maximumPacketSize) else { return (alone, []) }
        return (grants.serverMoved ? .serverMoved : .useAnotherServer, bytes)
    }
}

import Exchanges

/// The messages of one session that may come again: about 40 bytes, and 16 a message.
///
/// With QoS 1 a ring: a client has at most `window` unanswered messages, so whatever is further back has been acknowledged,
/// and its packet identifier is free for another message. With QoS 2 every message stays until it is released.
struct DeliverySession {
    private struct Slot: BitwiseCopyable {
        var fingerprint: UInt64
        /// 0 = nothing.
        var packetID: UInt16
    }

    private var ring: [Slot] = []
    /// The place for the next one; the oldest is there, or nothing yet when it is the end.
    private var cursor = 0
    private var sequence: UInt64 = 0
    private var held: [Slot] = []
    /// It has been in use since the hand that looks for quiet ones has passed it.
    var isInUse = true

    /// Messages with QoS 2 that wait to be released.
    var heldCount: Int { held.count }

    /// The digest under which the message is remembered that this one may repeat; nil = it is none.
    func fingerprint(of mark: DeliveryMark) -> UInt64? {
        if mark.isExactlyOnce { return held.first { $0.packetID == mark.packetID }?.fingerprint }
        guard mark.isResent else { return nil }
        // From the newest back, as far as a client's unanswered messages can reach.
        for age in 1...max(1, min(Int(mark.window), ring.count)) where age <= ring.count {
            let slot = ring[(cursor + ring.count - age) % ring.count]
            if slot.packetID == mark.packetID, slot.fingerprint == mark.fingerprint { return slot.fingerprint }
        }
        return nil
    }

    /// - Returns: what the store has to keep of it.
    mutating func take(_ mark: DeliveryMark) -> DeliveryRecord {
        isInUse = true
        let slot = Slot(fingerprint: mark.fingerprint, packetID: mark.packetID)
        let place: UInt32
        if mark.isExactlyOnce {
            if let i = held.firstIndex(where: { $0.packetID == mark.packetID }) { held[i] = slot } else { held.append(slot) }
            place = DeliveryRecord.firstHeld + UInt32(mark.packetID)
        } else {
            sequence += 1
            place = put(slot, window: max(1, Int(mark.window)))
        }
        return DeliveryRecord(
            session: mark.session, slot: place, packetID: mark.packetID, fingerprint: mark.fingerprint,
            sequence: mark.isExactlyOnce ? 0 : sequence)
    }

    /// The ring grows at its end alone, so that it stays in order when the window is changed.
    private mutating func put(_ slot: Slot, window: Int) -> UInt32 {
        if cursor >= ring.count && ring.count >= window { cursor = 0 }
        defer { cursor += 1 }
        if cursor < ring.count {
            ring[cursor] = slot
        } else {
            // Doubling by hand: an array left to itself reserves more than the window.
            if ring.count == ring.capacity { ring.reserveCapacity(min(window, max(4, 2 * ring.count))) }
            ring.append(slot)
        }
        return UInt32(cursor)
    }

    /// - Returns: was it held?
    mutating func release(_ packetID: UInt16) -> Bool {
        guard let i = held.firstIndex(where: { $0.packetID == packetID }) else { return false }
        held.remove(at: i)
        return true
    }

    /// A record of the store, in the order of slots.
    mutating func restore(_ record: DeliveryRecord) {
        let slot = Slot(fingerprint: record.fingerprint, packetID: record.packetID)
        guard record.slot < DeliveryRecord.firstHeld else {
            held.append(slot)
            return
        }
        while ring.count < record.slot { ring.append(Slot(fingerprint: 0, packetID: 0)) }
        ring.append(slot)
        guard record.sequence >= sequence else { return }
        sequence = record.sequence
        cursor = ring.count
    }
}
